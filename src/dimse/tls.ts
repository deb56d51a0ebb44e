/**
 * TLS of DICOM connections, both ways: the BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12).
 * TLS 1.2 and 1.3, ephemeral elliptic-curve key exchange, authenticated encryption only; no renegotiation, no compression,
 * no resumption, so that every connection shows its certificate anew. Every suite is one that the Modified profile (B.13)
 * allows; that profile itself asks a server for CCM and Camellia suites too, and is not claimed.
 */
import { constants, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import {
  type ConnectionOptions,
  checkServerIdentity,
  type SecureContextOptions,
  type TlsOptions,
} from "node:tls";

/** What the files of `dimse.tls` held when they were last read and found good. */
export interface TlsCredentials {
  readonly key: Buffer;
  readonly cert: Buffer;
  readonly ca: Buffer | undefined;
  readonly crl: Buffer | undefined;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
}

/** For TLS 1.3, then those that RFC 9325 4.2 recommends for TLS 1.2, and ChaCha20 for processors without AES; strongest first. */
export const TLS_CIPHERS: readonly string[] = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_GCM_SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
];
export const TLS_CURVES: readonly string[] = ["X25519", "P-256", "P-384", "P-521"];

function contextOptions(credentials: TlsCredentials): SecureContextOptions {
  const { key, cert, ca, crl, minVersion } = credentials;
  return {
    key,
    cert,
    // Without our own list Node would trust every public authority.
    ca: ca ?? [],
    ...(crl === undefined ? {} : { crl }),
    minVersion,
    ciphers: TLS_CIPHERS.join(":"),
    ecdhCurve: TLS_CURVES.join(":"),
    honorCipherOrder: true,
    secureOptions:
      constants.SSL_OP_NO_RENEGOTIATION |
      constants.SSL_OP_NO_COMPRESSION |
      // A resumed session would outlive a revocation.
      constants.SSL_OP_NO_TICKET,
  };
}

/**
 * Options of a TLS server. A caller's certificate is asked for and proven against our CA, but it is `connections.ts` that
 * ends a connection without a good one: Node would do it at the same moment, without telling who called.
 */
export function serverOptions(credentials: TlsCredentials, handshakeSeconds: number): TlsOptions {
  return {
    ...contextOptions(credentials),
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: handshakeSeconds * 1000,
  };
}

/**
 * Options of a connection to a peer. The peer's certificate must come from our CA and carry one of `names`, or, where
 * none are given, the host that is called.
 */
export function clientOptions(
  credentials: TlsCredentials,
  host: string,
  names: string | readonly string[] | undefined,
): ConnectionOptions {
  return {
    ...contextOptions(credentials),
    rejectUnauthorized: true,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    checkServerIdentity(_host, certificate) {
      if (names === undefined) return checkServerIdentity(host, certificate);
      if (certificateCarries(new X509Certificate(certificate.raw), names)) return undefined;
      return new Error("the peer's certificate does not carry the configured certificateName");
    },
  };
}

/** True when a subject alternative name or the common name is one of the names, exactly (letter case aside). */
export function certificateCarries(
  certificate: X509Certificate,
  names: string | readonly string[],
): boolean {
  const list = typeof names === "string" ? [names] : names;
  return list.some((name) =>
    isIP(name) === 0
      ? certificate.checkHost(name, { subject: "always", wildcards: false }) !== undefined
      : certificate.checkIP(name) !== undefined,
  );
}
