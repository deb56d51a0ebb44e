/**
 * Attribute matching as PS3.4 C.2.2.2 words it, one value against one key, without any of our own code: what the
 * databases answer is compared with this. Person names follow docs/conformance-statement.md.
 */

/** True when one of the values matches the key. */
export function matchesKey(vr: string, values: readonly string[], key: string): boolean {
  const keys = vr === "LT" ? [key] : key.split("\\");
  const isUniversal = vr === "PN" ? /^[*^=]*$/ : /^\*+$/;
  if (key === "" || keys.some((one) => isUniversal.test(one))) return true;
  return keys.some((one) => values.some((value) => value !== "" && matchesOne(vr, value, one)));
}

function matchesOne(vr: string, value: string, key: string): boolean {
  switch (vr) {
    case "DA":
      return inRange(key, (text) => [Number(text), Number(text)], Number(value));
    case "TM":
      return inRange(key, timeBounds, timeBounds(value)[0]);
    case "IS":
    case "US":
      return Number(value) === Number(key);
    case "UI":
    case "AS":
      return value === key;
    case "PN":
      return matchesName(value, key);
    case "CS":
      return matchesPattern(value.toUpperCase(), key.toUpperCase());
    default:
      return matchesPattern(value, key);
  }
}

function inRange(key: string, bounds: (text: string) => [number, number], value: number): boolean {
  if (!key.includes("-")) {
    const [low, high] = bounds(key);
    return low <= value && value <= high;
  }
  const [from = "", to = ""] = key.split("-");
  return (from === "" || bounds(from)[0] <= value) && (to === "" || value <= bounds(to)[1]);
}

/** Microseconds since midnight of the first and the last moment a TM value may mean. */
function timeBounds(text: string): [number, number] {
  const [whole = "", fraction] = text.split(".");
  const of = (hour: string, minute: string, second: string, micro: string) =>
    ((Number(hour) * 60 + Number(minute)) * 61 + Number(second)) * 1e6 + Number(micro);
  const [hour, minute, second] = [whole.slice(0, 2), whole.slice(2, 4), whole.slice(4, 6)];
  return [
    of(hour, minute || "0", second || "0", (fraction ?? "").padEnd(6, "0")),
    of(hour, minute || "59", second || "60", (fraction ?? "").padEnd(6, "9")),
  ];
}

/** `*` any characters, `?` one that is not the delimiter; by trying, not by a regular expression. */
export function matchesPattern(value: string, pattern: string, delimiter?: string): boolean {
  const [head] = pattern;
  if (head === undefined) return value === "";
  const [first] = value;
  const rest = pattern.slice(head.length);
  const others = value.slice(first?.length ?? 0);
  if (head === "*")
    return (
      matchesPattern(value, rest, delimiter) ||
      (first !== undefined && matchesPattern(others, pattern, delimiter))
    );
  if (first === undefined || (head === "?" && first === delimiter)) return false;
  return (head === "?" || head === first) && matchesPattern(others, rest, delimiter);
}

function plain(text: string): string {
  return text
    .normalize("NFD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase();
}

function matchesName(value: string, key: string): boolean {
  const groups = plain(value).split("=");
  const keys = plain(key).split("=");
  if (keys.length === 1)
    return [0, 1, 2].some((index) => matchesGroup(groups[index] ?? "", keys[0]!));
  return keys.every(
    (one, index) => one === "" || /^\*+$/.test(one) || matchesGroup(groups[index] ?? "", one),
  );
}

function matchesGroup(group: string, key: string): boolean {
  if (key.replace(/[*^]/g, "") === "") return true;
  const components = key.replace(/\^+$/, "").split("^");
  const values = group.split("^");
  const last = components.length - 1;
  const isRight = components
    .slice(0, last)
    .every((one, index) => matchesPattern(values[index] ?? "", one));
  // The star of the last component runs on over the rest; a question mark never stands for a delimiter.
  return isRight && matchesPattern(values.slice(last).join("^"), components[last]!, "^");
}
