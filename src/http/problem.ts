/** RFC 9457 problem bodies with our stable code; nothing of a stack or of patient data leaves. */
import type { FastifyInstance } from "fastify";
import { codeOf, messageOf } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import { STATUSES } from "../kernel/statuses.ts";

export function useProblems(app: FastifyInstance, log: Logger): void {
  app.setErrorHandler((error, request, reply) => {
    const isClientFault = hasStatus(error) && error.statusCode < 500;
    const code = isClientFault ? "BAD_REQUEST" : codeOf(error);
    const status = isClientFault ? error.statusCode : STATUSES[code].http;
    if (status >= 500)
      log.error(
        { event: "http.failed", route: request.routeOptions.url, err: error },
        "request failed",
      );
    const detail =
      code === "INTERNAL" ? "An unexpected fault; see the log of the node" : messageOf(error);
    return reply
      .code(status)
      .type("application/problem+json")
      .send({
        type: `urn:kindred:problem:${code}`,
        title: STATUSES[code].meaning,
        status,
        code,
        detail,
      });
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).type("application/problem+json").send({
      type: "urn:kindred:problem:NOT_FOUND",
      title: "no such resource",
      status: 404,
      code: "NOT_FOUND",
      detail: "See /openapi.json for what there is",
    }),
  );
}

function hasStatus(error: unknown): error is { statusCode: number } {
  return typeof (error as { statusCode?: unknown }).statusCode === "number";
}
