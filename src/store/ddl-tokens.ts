/**
 * Splits the SQL of a schema entry into tokens, by SQLite's rules: four ways to quote a name, doubled quotes inside
 * quotes, two kinds of comments. Any text at all ends with tokens or with a `DdlProblem` that names what stood in
 * the way; nothing here recurses or backtracks, so that hostile text costs no more than its length.
 */

export type TokenKind = 'word' | 'quoted' | 'string' | 'number' | 'blob' | 'symbol' | 'end'

export interface Token {
  readonly kind: TokenKind
  /** Names and strings without their quotes; everything else as written. */
  readonly text: string
  /** `text` in upper case for words, empty for all else: keywords are never quoted. */
  readonly keyword: string
  /** Offsets into the SQL. */
  readonly start: number
  readonly end: number
}

/** Why the SQL of a schema entry is not understood. Caught at the parser's entry, never seen by users as such. */
export class DdlProblem extends Error {}

/** The SQL may be right, but Endmark does not know what follows from it; every other problem is one of syntax. */
export class UnknownDdl extends DdlProblem {}

const WORD_START = /[A-Za-z_\u0080-\uffff]/
const WORD = /[A-Za-z0-9_$\u0080-\uffff]*/y
const NUMBER = /0[xX][0-9A-Fa-f]+|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?/y
const BLOB = /[xX]'(?:[0-9A-Fa-f]{2})*'/y
const SYMBOL = /->>|->|\|\||<<|>>|<=|>=|<>|==|!=|[-+*/%&|~<>=(),.;?:@#$!]/y

export function tokenize(sql: string): Token[] {
  const tokens: Token[] = []
  for (let offset = skipBlank(sql, 0); offset < sql.length; ) {
    const token = readToken(sql, offset)
    tokens.push(token)
    offset = skipBlank(sql, token.end)
  }
  tokens.push({ kind: 'end', text: '', keyword: '', start: sql.length, end: sql.length })
  return tokens
}

/** Offset of the first character at or after `start` that is neither white space nor in a comment. */
function skipBlank(sql: string, start: number): number {
  let offset = start
  for (;;) {
    while (isSpace(sql.charCodeAt(offset))) offset++
    if (sql.startsWith('--', offset)) offset = endOf(sql, '\n', offset)
    // SQLite lets a block comment without an end run to the end of the text.
    else if (sql.startsWith('/*', offset)) offset = endOf(sql, '*/', offset + 2)
    else return offset
  }
}

function endOf(sql: string, mark: string, start: number): number {
  const found = sql.indexOf(mark, start)
  return found < 0 ? sql.length : found + mark.length
}

/** Tab, line feed, form feed, carriage return, space; not the vertical tab. */
function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d && code !== 0x0b)
}

/** Offset after what `pattern` matches at `offset`, or 0. */
function matchEnd(pattern: RegExp, sql: string, offset: number): number {
  pattern.lastIndex = offset
  return pattern.test(sql) ? pattern.lastIndex : 0
}

function readToken(sql: string, start: number): Token {
  const char = sql[start]!
  if (char === "'") return readQuoted(sql, start, "'", 'string')
  if (char === '"' || char === '`') return readQuoted(sql, start, char, 'quoted')
  if (char === '[') return readBracketed(sql, start)
  const blobEnd = matchEnd(BLOB, sql, start)
  if (blobEnd > 0) return token('blob', sql.slice(start + 2, blobEnd - 1), start, blobEnd)
  if (WORD_START.test(char)) return readWord(sql, start)
  const numberEnd = matchEnd(NUMBER, sql, start)
  if (numberEnd > 0) return readNumber(sql, start, numberEnd)
  const symbolEnd = matchEnd(SYMBOL, sql, start)
  if (symbolEnd > 0) return token('symbol', sql.slice(start, symbolEnd), start, symbolEnd)
  throw new DdlProblem(`unexpected character ${JSON.stringify(char)} at ${start}`)
}

function token(kind: TokenKind, text: string, start: number, end: number): Token {
  return { kind, text, keyword: kind === 'word' ? text.toUpperCase() : '', start, end }
}

function readWord(sql: string, start: number): Token {
  const end = matchEnd(WORD, sql, start)
  return token('word', sql.slice(start, end), start, end)
}

function readNumber(sql: string, start: number, end: number): Token {
  if (matchEnd(WORD, sql, end) > end) throw new DdlProblem(`unexpected characters after a number at ${end}`)
  return token('number', sql.slice(start, end).replaceAll('_', ''), start, end)
}

function readQuoted(sql: string, start: number, quote: string, kind: TokenKind): Token {
  let text = ''
  let offset = start + 1
  for (;;) {
    const close = sql.indexOf(quote, offset)
    if (close < 0) throw new DdlProblem(`missing ${quote} for the one at ${start}`)
    text += sql.slice(offset, close)
    if (sql[close + 1] !== quote) return token(kind, text, start, close + 1)
    text += quote
    offset = close + 2
  }
}

function readBracketed(sql: string, start: number): Token {
  const close = sql.indexOf(']', start)
  if (close < 0) throw new DdlProblem(`missing ] for the one at ${start}`)
  return token('quoted', sql.slice(start + 1, close), start, close + 1)
}
