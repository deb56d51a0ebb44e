/** Why a TLS handshake failed, in one of a few words for the metric and a sentence for the administrator. */

export interface HandshakeFailure {
  readonly outcome:
    | "no certificate"
    | "certificate not trusted"
    | "certificate expired"
    | "certificate revoked"
    | "refused by peer"
    | "no common version or cipher"
    | "not TLS"
    | "timed out"
    | "closed"
    | "other";
  readonly hint: string;
}

const failure = (outcome: HandshakeFailure["outcome"], hint: string): HandshakeFailure => ({
  outcome,
  hint,
});

const NO_CERTIFICATE = failure(
  "no certificate",
  "give the caller a certificate, or set dimse.tls.requireClientCertificate to false",
);

/** What OpenSSL found about a certificate, by its code as Node names it. */
const CERTIFICATE: Readonly<Record<string, HandshakeFailure>> = {
  CERT_HAS_EXPIRED: failure("certificate expired", "the caller must renew its certificate"),
  CERT_NOT_YET_VALID: failure(
    "certificate expired",
    "the caller's certificate is not valid yet: compare the clocks",
  ),
  CERT_REVOKED: failure("certificate revoked", "the caller's certificate is in dimse.tls.crlFile"),
  CRL_HAS_EXPIRED: failure("certificate revoked", "renew dimse.tls.crlFile: the list has expired"),
  UNABLE_TO_GET_CRL: failure(
    "certificate revoked",
    "dimse.tls.crlFile has no list of the CA that signed the caller's certificate",
  ),
};

const ERROR: Readonly<Record<string, HandshakeFailure>> = {
  ERR_SSL_UNSUPPORTED_PROTOCOL: failure(
    "no common version or cipher",
    "the caller offers no TLS version that dimse.tls.minVersion allows",
  ),
  ERR_SSL_VERSION_TOO_LOW: failure(
    "no common version or cipher",
    "the caller offers no TLS version that dimse.tls.minVersion allows",
  ),
  ERR_SSL_NO_SHARED_CIPHER: failure(
    "no common version or cipher",
    "the caller offers no cipher suite with ECDHE and AES-GCM or ChaCha20 that fits our certificate",
  ),
  ERR_SSL_NO_SUITABLE_KEY_SHARE: failure(
    "no common version or cipher",
    "the caller offers none of the curves X25519, P-256, P-384, P-521",
  ),
  ERR_SSL_WRONG_VERSION_NUMBER: failure(
    "not TLS",
    "the caller does not speak TLS: this is dimse.tls.port, without TLS it is dimse.port",
  ),
  ERR_SSL_HTTP_REQUEST: failure("not TLS", "a web browser called the DICOM port"),
  ERR_TLS_HANDSHAKE_TIMEOUT: failure("timed out", "the handshake took longer than ARTIM"),
  ECONNRESET: failure("closed", "the caller closed during the handshake"),
};

/**
 * What is wrong with the caller's certificate.
 *
 * @param authorizationError - as Node gives it: the code, though its type says Error
 */
export function certificateFailure(
  isShown: boolean,
  authorizationError: unknown,
): HandshakeFailure {
  if (!isShown) return NO_CERTIFICATE;
  const code =
    authorizationError instanceof Error ? authorizationError.message : String(authorizationError);
  return (
    CERTIFICATE[code] ??
    failure("certificate not trusted", `no certificate of dimse.tls.caFile signed it (${code})`)
  );
}

/** What went wrong in a handshake that did not come to an end. */
export function handshakeFailure(error: Error): HandshakeFailure {
  const { code } = error as NodeJS.ErrnoException;
  const known = ERROR[code ?? ""];
  if (known !== undefined) return known;
  if (code?.includes("_ALERT_"))
    return failure("refused by peer", `the caller does not take our certificate (${code})`);
  return failure("other", code ?? "unknown");
}
