/** Addresses and CIDR ranges of the configuration against addresses of sockets. */
import { BlockList, isIP } from "node:net";

/** An IPv4 address that came over an IPv6 socket, as IPv4. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}

/** True when the address is in one of the ranges; what is neither address nor range holds nothing. */
export function isInRanges(remoteAddress: string, ranges: readonly string[]): boolean {
  if (ranges.length === 0) return false;
  const address = plainAddress(remoteAddress);
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  return ranges.some((range) => {
    if (range === "localhost") return address === "127.0.0.1" || address === "::1";
    const [base = "", prefix] = range.split("/");
    if (isIP(base) === 0) return false;
    const list = new BlockList();
    const baseFamily = isIP(base) === 6 ? "ipv6" : "ipv4";
    if (prefix === undefined) list.addAddress(base, baseFamily);
    else if (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (baseFamily === "ipv6" ? 128 : 32))
      list.addSubnet(base, Number(prefix), baseFamily);
    return list.check(address, family);
  });
}
