/**
 * Keys of person names. PS3.4 C.2.2.2.1 and C.2.2.2.4 leave PN to the implementation; this is ours. Key and stored
 * name are folded alike (dicom/person-name.ts), so case, accents and width do not count.
 *
 * - A key without `=` matches when it matches any component group: a name is found by its ideographic or phonetic
 *   form alone. With `=`, each group that is given must match the group in its place.
 * - In a group, components are compared one by one; those left out at the end are empty. Wildcards stay within
 *   their component, but `*` in the last one given runs on over the rest: `D*` finds Doe^John, `D*^J*` only where
 *   the given name begins with J. A key of nothing but `*` and `^` is universal.
 * - With fuzzy semantic matching negotiated (PS3.4 C.5.1.1), every word of the key must begin some word of the
 *   name, in any order and group.
 */
import { foldNameGroups, foldText, NAME_GROUPS } from "../dicom/person-name.ts";
import { and, type Condition, or } from "./condition.ts";
import { refuse } from "./refuse.ts";
import { hasWildcard, isOnlyStars, requireFewWildcards } from "./text-keys.ts";

/** Undefined for universal matching. @param groups - SQL of the alphabetic, ideographic and phonetic group, folded */
export function nameCondition(
  tag: number,
  groups: readonly [string, string, string],
  value: string,
): Condition | undefined {
  requireFewWildcards(tag, value);
  const keys = value.split("=");
  if (keys.length > NAME_GROUPS) refuse(tag, "has more than three component groups");
  if (keys.length === 1)
    return isUniversal(value) ? undefined : or(groups.map((sql) => groupCondition(sql, value)));
  const given = keys.flatMap((key, index) =>
    isUniversal(key) ? [] : [groupCondition(groups[index]!, key)],
  );
  return given.length === 0 ? undefined : and(given);
}

function isUniversal(key: string): boolean {
  return foldText(key).replace(/[*\s]/g, "") === "";
}

function groupCondition(sql: string, key: string): Condition {
  return hasWildcard(key)
    ? { sql: `${sql} ~ ?`, values: [groupPattern(key)] }
    : { sql: `${sql} = ?`, values: [foldNameGroups(key)[0]] };
}

/** A regular expression of PostgreSQL; it begins with the literal prefix, which an index can use. */
export function groupPattern(key: string): string {
  const given = key.replace(/\^+$/, "");
  // `Doe^*` finds Doe too: components at the end that are only stars may be missing, with the empty ones before.
  const [open = "", empty = ""] = /(\^*)(?:\^\*+)+$/.exec(given) ?? [];
  const components = given.slice(0, given.length - open.length).split("^");
  const last = open === "" ? components.length - 1 : components.length;
  const pattern = components.map((one, index) => componentPattern(one, index === last));
  const rest = open === "" ? "" : `(${"\\^".repeat(empty.length)}\\^.*){0,1}`;
  return `^${pattern.join("\\^")}${rest}$`;
}

function componentPattern(component: string, isLast: boolean): string {
  const parts = component.trim().split(/(\*+|\?)/);
  return parts
    .map((part) => {
      if (part.startsWith("*")) return isLast ? ".*" : "[^^]*";
      if (part === "?") return "[^^]";
      return escaped(foldText(part));
    })
    .join("");
}

/** Everything that is not a letter or digit is escaped where it is ASCII; other characters mean themselves. */
function escaped(text: string): string {
  return text.replace(/[!-/:-@[-`{-~]/g, (mark) => `\\${mark}`);
}

/** @param nameSql - SQL of the whole folded name, groups joined by `=` */
export function fuzzyNameCondition(
  tag: number,
  nameSql: string,
  value: string,
): Condition | undefined {
  requireFewWildcards(tag, value);
  const words = value.split(/[\s^=,]+/).filter((word) => word !== "" && !isOnlyStars(word));
  if (words.length === 0) return undefined;
  return and(
    words.map((word) => ({
      sql: `${nameSql} ~ ?`,
      values: [`(^|[ ^=,-])${componentPattern(word, false)}`],
    })),
  );
}
