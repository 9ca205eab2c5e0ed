// Users from pasted text or a file: one per line, or a column of a CSV.

const COLUMNS = ["userprincipalname", "objectid", "id", "memberobjectidorupn"];
const MAX_FILE = 32 * 1024 * 1024;

// The text of a file. Excel's "Unicode text" is UTF-16; everything else is read as UTF-8.
export async function readFile(file) {
  if (file.size > MAX_FILE) throw new Error(`${file.name} has more than 32 MB. Remove the columns that are not needed.`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  const wide = bytes[0] === 0xff && bytes[1] === 0xfe;
  return new TextDecoder(wide ? "utf-16le" : "utf-8").decode(bytes);
}

// Ids and userPrincipalNames, each once, in the order of the text.
export function parseUsers(text) {
  // The portal's own templates begin with a line such as "version:v1.0".
  const rows = parseCsv(text.replace(/^\ufeff?"?version:.*(?:\r\n?|\n)/i, "").replace(/^\ufeff/, ""));
  const heads = (rows[0] ?? []).map(plainHeader);
  const column = COLUMNS.map((name) => heads.indexOf(name)).find((at) => at >= 0);
  const cells = column === undefined ? rows.flat() : rows.slice(1).map((row) => row[column] ?? "");
  const users = new Map();
  for (const cell of cells.map((each) => each.trim())) {
    if (cell && !users.has(cell.toLowerCase())) users.set(cell.toLowerCase(), cell);
  }
  return [...users.values()];
}

// "User name [userPrincipalName] Required", as in the portal's templates, is userPrincipalName.
const plainHeader = (header) => (/\[(\w+)\]/.exec(header)?.[1] ?? header).trim().toLowerCase();

// Rows of cells: commas, semicolons or tabs, whichever the first line has; quoted cells may hold all of them.
function parseCsv(text) {
  const firstLine = text.slice(0, text.search(/[\r\n]|$/));
  const separator = [",", ";", "\t"].find((each) => firstLine.includes(each)) ?? ",";
  const rows = [];
  let row = [];
  let cell = "";
  let quoted = false;
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
    } else if (letter === "\n" || letter === "\r") {
      if (cell || row.length) rows.push([...row, cell]);
      row = [];
      cell = "";
    } else cell += letter;
  }
  if (cell || row.length) rows.push([...row, cell]);
  return rows;
}
