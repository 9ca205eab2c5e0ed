// Users from pasted text or a file: one per line, or a column of a CSV.

import { number, t } from "./words.js";

// Headings as files of the admin centers, the portal, its templates, PowerShell and other exports have them; the best first.
const HEADINGS = [
  ["objectid", "userobjectid", "azureadobjectid", "entraobjectid", "aadobjectid", "userid"],
  ["userprincipalname", "upn", "username", "userlogin", "login", "loginname", "signinname", "account", "memberobjectidorupn"],
  ["id"],
  ["email", "mail", "emailaddress", "mailaddress", "primarysmtpaddress", "primaryemail", "workemail", "windowsemailaddress"],
].flat();
const MAX_FILE = 32 * 1024 * 1024;
const LIKE_USER = /^(?:[^\s@]+@[^\s@]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

// The text of a file; Excel's "Unicode text" is UTF-16, with or without a mark at its beginning. All else is UTF-8, or
// what older programs of Windows write.
export async function readFile(file) {
  if (file.size > MAX_FILE) throw new Error(t("users.tooLarge", { name: file.name }));
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) throw new Error(t("users.workbook", { name: file.name }));
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

// `{users, question}`: ids and names, each once, in the order of the text. Where no heading of several columns is
// known, `question` has `[{heading, example}]` and `column` answers it.
export function parseUsers(text, column) {
  const rows = parseCsv(text);
  const heads = rows[0] ?? [];
  const wide = rows.some((row) => row.length > 1);
  const at = column ?? columnOf(heads);
  if (at >= 0) return { users: unique(rows.slice(1).map((row) => row[at] ?? "")), question: null };
  const cells = rows.flat();
  const strangers = cells.filter((cell) => cell.trim() && !LIKE_USER.test(cell.trim())).length;
  // Without headings all cells are users, as in "ann@contoso.com, bo@contoso.com".
  if (!wide || !strangers) {
    const titled = rows.length > 1 && !LIKE_USER.test(cells[0]?.trim()) && rows.slice(1).every(([cell]) => LIKE_USER.test(cell.trim()));
    return { users: unique(!wide && titled ? cells.slice(1) : cells), question: null };
  }
  return { users: [], question: heads.map((heading, place) => ({ heading, example: rows[1]?.[place] ?? "" })) };
}

function columnOf(heads) {
  const plain = heads.map(plainHeading);
  return HEADINGS.map((name) => plain.indexOf(name)).find((at) => at >= 0) ?? -1;
}

function unique(cells) {
  const users = new Map();
  for (const cell of cells.map((each) => each.trim())) {
    if (cell && !users.has(cell.toLowerCase())) users.set(cell.toLowerCase(), cell);
  }
  return [...users.values()];
}

// "User name [userPrincipalName] Required", as in the portal's templates, is userPrincipalName; "E-mail" is email.
const plainHeading = (heading) => (/\[(\w+)\]/.exec(heading)?.[1] ?? heading).toLowerCase().replace(/[^a-z0-9]/g, "");

// Rows of cells. Before them can stand a mark of the encoding, the template's "version:v1.0", PowerShell's "#TYPE ..."
// and Excel's "sep=;".
function parseCsv(text) {
  let rest = text.replace(/^\ufeff/, "");
  let separator = "";
  for (let found = true; found; ) {
    found = /^"?(?:version:|#TYPE |sep=(.))[^\r\n]*(?:\r\n?|\n|$)/i.exec(rest);
    if (found) rest = rest.slice(found[0].length);
    separator ||= found?.[1] ?? "";
  }
  return cellsOf(rest, separator || separatorOf(rest.slice(0, rest.search(/[\r\n]|$/))));
}

// Commas, semicolons, tabs or bars, whichever the first line has most often outside of quotes.
function separatorOf(line) {
  const plain = line.replace(/"(?:[^"]|"")*"/g, "");
  const counts = [",", ";", "\t", "|"].map((each) => [each, plain.split(each).length]);
  return counts.sort((one, other) => other[1] - one[1])[0][0];
}

function cellsOf(text, separator) {
  const rows = [];
  let row = [];
  let cell = "";
  let quoted = false;
  const end = () => {
    if (cell || row.length) rows.push([...row, cell]);
    row = [];
    cell = "";
  };
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[at + 1] === '"') cell += text[++at];
      else quoted = false;
    } else if (letter === '"' && cell === "") quoted = true;
    else if (letter === separator) {
      row.push(cell);
      cell = "";
    } else if (letter === "\n" || letter === "\r") end();
    else cell += letter;
  }
  end();
  return rows;
}

export const countText = (users) => (users.length ? t("users.count", { count: users.length }) : "");
export const exampleText = ({ heading, example }) => (example ? `${heading} (${example})` : heading || number(0));
