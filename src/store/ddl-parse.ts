/**
 * Reads the CREATE TABLE and CREATE INDEX statements that `sqlite_schema` keeps, as far as they decide how rows are
 * stored, ordered and checked. Expressions (CHECK, DEFAULT in parentheses, generated columns, partial indexes) are
 * noticed and skipped, not understood: what follows from that is decided in constraints.ts.
 *
 * Every text ends with a description or with a reason, never with an exception. Source: SQLite "CREATE TABLE",
 * "CREATE INDEX", and its railroad diagrams.
 */
import type { SqlValue } from '../format/index.js'
import { INT64_MAX, normalizeInteger } from '../format/index.js'
import { DdlProblem, type Token, tokenize, UnknownDdl } from './ddl-tokens.js'

/** `null` where the default is an expression that has to be computed (CURRENT_TIME, a function, ...). */
export type DefaultDdl = { readonly value: SqlValue } | null

export interface ColumnDdl {
  readonly name: string
  /** As written, empty if there is none. */
  readonly type: string
  readonly notNull: boolean
  readonly collation: string | null
  /** Absent: no DEFAULT clause, hence NULL. */
  readonly default?: DefaultDdl
  readonly generated: 'virtual' | 'stored' | null
}

/** One column of a primary key or an index; `name` is null for an expression. */
export interface KeyPartDdl {
  readonly name: string | null
  readonly collation: string | null
  readonly descending: boolean
}

export interface ConstraintKeyDdl {
  readonly isPrimary: boolean
  readonly parts: readonly KeyPartDdl[]
}

export interface TableDdl {
  readonly name: string
  readonly columns: readonly ColumnDdl[]
  /** Empty if there is no PRIMARY KEY clause. */
  readonly primaryKey: readonly KeyPartDdl[]
  /** The quirk it is about: `x INTEGER PRIMARY KEY DESC` does not make x the rowid, a table constraint would. */
  readonly isColumnKeyDescending: boolean
  readonly isAutoincrement: boolean
  /** PRIMARY KEY and UNIQUE constraints as they stand in the SQL: SQLite numbers the indexes it makes for them so. */
  readonly constraintKeys: readonly ConstraintKeyDdl[]
  readonly hasCheck: boolean
  readonly hasForeignKey: boolean
  readonly isWithoutRowid: boolean
  readonly isStrict: boolean
}

export interface IndexDdl {
  readonly name: string
  readonly table: string
  readonly isUnique: boolean
  readonly isPartial: boolean
  readonly columns: readonly KeyPartDdl[]
}

/** @returns the description, or the reason why there is none */
export function parseCreateTable(sql: string): TableDdl | string {
  return orReason(() => new TableReader(tokenize(sql), sql).read())
}

/** @returns the description, or the reason why there is none */
export function parseCreateIndex(sql: string): IndexDdl | string {
  return orReason(() => readIndex(new TokenReader(tokenize(sql), sql)))
}

/** Why this cannot be the SQL of a table or an index; null if it may be, understood or not. */
export function syntaxProblem(type: 'table' | 'index', sql: string): string | null {
  try {
    if (type === 'table') new TableReader(tokenize(sql), sql).read()
    else readIndex(new TokenReader(tokenize(sql), sql))
    return null
  } catch (error) {
    if (error instanceof DdlProblem) return error instanceof UnknownDdl ? null : error.message
    throw error
  }
}

function orReason<T>(read: () => T): T | string {
  try {
    return read()
  } catch (error) {
    if (error instanceof DdlProblem) return error.message
    throw error
  }
}

/** Walks over the tokens; knows the pieces of syntax that tables and indexes share. */
class TokenReader {
  readonly sql: string
  readonly #tokens: readonly Token[]
  #index = 0

  constructor(tokens: readonly Token[], sql: string) {
    this.#tokens = tokens
    this.sql = sql
  }

  get token(): Token {
    return this.#tokens[this.#index]!
  }

  peek(distance: number): Token {
    return this.#tokens[Math.min(this.#index + distance, this.#tokens.length - 1)]!
  }

  /** The end token stays where it is. */
  advance(): Token {
    const { token } = this
    if (token.kind !== 'end') this.#index++
    return token
  }

  isSymbol(symbol: string): boolean {
    return this.token.kind === 'symbol' && this.token.text === symbol
  }

  acceptSymbol(symbol: string): boolean {
    if (!this.isSymbol(symbol)) return false
    this.advance()
    return true
  }

  /** Takes the keywords if all of them follow, in this order. */
  accept(...keywords: readonly string[]): boolean {
    for (let i = 0; i < keywords.length; i++) if (this.peek(i).keyword !== keywords[i]) return false
    this.#index += keywords.length
    return true
  }

  expect(...keywords: readonly string[]): void {
    if (!this.accept(...keywords)) throw this.unexpected(keywords.join(' '))
  }

  expectSymbol(symbol: string): void {
    if (!this.acceptSymbol(symbol)) throw this.unexpected(symbol)
  }

  /** SQLite takes a string literal where a name is wanted. */
  isName(): boolean {
    const { kind } = this.token
    return kind === 'word' || kind === 'quoted' || kind === 'string'
  }

  name(what: string): string {
    if (!this.isName()) throw this.unexpected(what)
    return this.advance().text
  }

  unexpected(expected: string): DdlProblem {
    const found =
      this.token.kind === 'end' ? 'the end' : JSON.stringify(this.sql.slice(this.token.start, this.token.end))
    return new DdlProblem(`expected ${expected} instead of ${found} at ${this.token.start}`)
  }

  /** Skips everything from `(` to the `)` that belongs to it. */
  skipParentheses(): void {
    this.expectSymbol('(')
    for (let depth = 1; depth > 0; ) {
      const { kind, text } = this.advance()
      if (kind === 'end') throw this.unexpected(')')
      if (kind === 'symbol' && text === '(') depth++
      else if (kind === 'symbol' && text === ')') depth--
    }
  }

  skipConflictClause(): void {
    if (this.accept('ON', 'CONFLICT')) this.name('a conflict resolution')
  }

  acceptDescending(): boolean {
    if (this.accept('DESC')) return true
    this.accept('ASC')
    return false
  }

  /** `(` parts `)`, where AUTOINCREMENT may stand before the closing parenthesis of a primary key. */
  keyParts(): KeyPartDdl[] {
    this.expectSymbol('(')
    const parts: KeyPartDdl[] = []
    do parts.push(this.#keyPart())
    while (this.acceptSymbol(','))
    return parts
  }

  #keyPart(): KeyPartDdl {
    const isColumn = this.isName() && this.#endsKeyPart(this.peek(1))
    let name: string | null = null
    if (isColumn) name = this.name('a column')
    else this.#skipExpression()
    const collation = this.accept('COLLATE') ? this.name('a collation') : null
    const descending = this.acceptDescending()
    if (this.accept('NULLS')) throw new UnknownDdl('NULLS FIRST or LAST in a key')
    return { name, collation, descending }
  }

  #endsKeyPart({ kind, text, keyword }: Token): boolean {
    if (kind === 'symbol') return text === ',' || text === ')'
    return keyword === 'COLLATE' || keyword === 'ASC' || keyword === 'DESC' || keyword === 'AUTOINCREMENT'
  }

  /** Up to the comma or parenthesis that ends this part of a list, or ASC and DESC before it. */
  #skipExpression(): void {
    const { start } = this.token
    while (
      !this.isSymbol(',') &&
      !this.isSymbol(')') &&
      this.token.keyword !== 'ASC' &&
      this.token.keyword !== 'DESC'
    ) {
      if (this.token.kind === 'end') throw this.unexpected(')')
      if (this.isSymbol('(')) this.skipParentheses()
      else this.advance()
    }
    if (this.token.start === start) throw this.unexpected('a column')
  }
}

/** Words that end a type name, as they begin a column constraint. */
const COLUMN_CONSTRAINTS = new Set([
  'CONSTRAINT',
  'PRIMARY',
  'NOT',
  'NULL',
  'UNIQUE',
  'CHECK',
  'DEFAULT',
  'COLLATE',
  'REFERENCES',
  'AS',
  'DEFERRABLE',
  'FOREIGN',
])
const TABLE_CONSTRAINTS = new Set(['CONSTRAINT', 'PRIMARY', 'UNIQUE', 'CHECK', 'FOREIGN'])

interface ColumnDraft {
  name: string
  type: string
  notNull: boolean
  collation: string | null
  default?: DefaultDdl
  generated: 'virtual' | 'stored' | null
}

class TableReader extends TokenReader {
  readonly #columns: ColumnDraft[] = []
  #primaryKey: KeyPartDdl[] = []
  #isColumnKeyDescending = false
  #isAutoincrement = false
  readonly #constraintKeys: ConstraintKeyDdl[] = []
  #hasCheck = false
  #hasForeignKey = false
  #isWithoutRowid = false
  #isStrict = false

  read(): TableDdl {
    this.expect('CREATE')
    if (this.accept('VIRTUAL')) throw this.#virtualTable()
    this.expect('TABLE')
    const name = this.name('a table name')
    this.expectSymbol('(')
    do this.#readColumn()
    while (this.acceptSymbol(',') && !TABLE_CONSTRAINTS.has(this.token.keyword))
    while (!this.acceptSymbol(')')) this.#readTableConstraint()
    this.#readOptions()
    return {
      name,
      columns: this.#columns,
      primaryKey: this.#primaryKey,
      isColumnKeyDescending: this.#isColumnKeyDescending,
      isAutoincrement: this.#isAutoincrement,
      constraintKeys: this.#constraintKeys,
      hasCheck: this.#hasCheck,
      hasForeignKey: this.#hasForeignKey,
      isWithoutRowid: this.#isWithoutRowid,
      isStrict: this.#isStrict,
    }
  }

  #virtualTable(): DdlProblem {
    this.expect('TABLE')
    this.name('a table name')
    this.expect('USING')
    return new UnknownDdl(`virtual table (module ${this.name('a module')})`)
  }

  #readColumn(): void {
    const column: ColumnDraft = {
      name: this.name('a column'),
      type: '',
      notNull: false,
      collation: null,
      generated: null,
    }
    column.type = this.#readType()
    this.#columns.push(column)
    while (!this.isSymbol(',') && !this.isSymbol(')')) this.#readColumnConstraint(column)
  }

  #readType(): string {
    const { start } = this.token
    let end = start
    while (this.isName() && !COLUMN_CONSTRAINTS.has(this.token.keyword) && !this.#isGenerated())
      end = this.advance().end
    if (end > start && this.isSymbol('(')) {
      this.advance()
      this.#readSignedNumber()
      if (this.acceptSymbol(',')) this.#readSignedNumber()
      end = this.token.end
      this.expectSymbol(')')
    }
    return cleanType(this.sql.slice(start, end))
  }

  #isGenerated(): boolean {
    return this.token.keyword === 'GENERATED' && this.peek(1).keyword === 'ALWAYS'
  }

  #readSignedNumber(): void {
    if (this.isSymbol('-') || this.isSymbol('+')) this.advance()
    if (this.advance().kind !== 'number') throw new DdlProblem(`a type with an argument that is not a number`)
  }

  #readColumnConstraint(column: ColumnDraft): void {
    if (this.accept('CONSTRAINT')) {
      this.name('a constraint name')
    } else if (this.accept('PRIMARY', 'KEY')) {
      this.#readColumnKey(column)
    } else if (this.accept('NOT', 'NULL')) {
      column.notNull = true
      this.skipConflictClause()
    } else if (this.accept('NULL')) {
      this.skipConflictClause()
    } else if (this.accept('UNIQUE')) {
      const parts = [{ name: column.name, collation: null, descending: false }]
      this.#constraintKeys.push({ isPrimary: false, parts })
      this.skipConflictClause()
    } else if (this.accept('CHECK')) {
      this.#hasCheck = true
      this.skipParentheses()
    } else if (this.accept('DEFAULT')) {
      column.default = this.#readDefault()
    } else if (this.accept('COLLATE')) {
      column.collation = this.name('a collation')
    } else if (this.accept('REFERENCES')) {
      this.#readReference()
    } else if (!this.#acceptDeferral()) {
      this.#readGenerated(column)
    }
  }

  #readColumnKey(column: ColumnDraft): void {
    const descending = this.acceptDescending()
    this.#setPrimaryKey([{ name: column.name, collation: null, descending }])
    this.#isColumnKeyDescending = descending
    this.skipConflictClause()
    if (this.accept('AUTOINCREMENT')) this.#isAutoincrement = true
  }

  #setPrimaryKey(parts: KeyPartDdl[]): void {
    if (this.#primaryKey.length > 0) throw new DdlProblem('more than one primary key')
    this.#primaryKey = parts
    this.#constraintKeys.push({ isPrimary: true, parts })
  }

  #readGenerated(column: ColumnDraft): void {
    if (this.accept('GENERATED')) this.expect('ALWAYS')
    if (!this.accept('AS')) throw this.unexpected('a column constraint')
    this.skipParentheses()
    column.generated = this.accept('STORED') ? 'stored' : 'virtual'
    this.accept('VIRTUAL')
  }

  /** After the word DEFAULT. */
  #readDefault(): DefaultDdl {
    if (!this.isSymbol('(')) return this.#readLiteral()
    // A literal in parentheses is as good as one without.
    const isLiteral = this.#isLiteralInParentheses()
    if (!isLiteral) {
      this.skipParentheses()
      return null
    }
    this.advance()
    const literal = this.#readLiteral()
    this.expectSymbol(')')
    return literal
  }

  #isLiteralInParentheses(): boolean {
    const isSigned = this.peek(1).kind === 'symbol' && /^[-+]$/.test(this.peek(1).text)
    const first = this.peek(isSigned ? 2 : 1)
    const close = this.peek(isSigned ? 3 : 2)
    const isClosed = close.kind === 'symbol' && close.text === ')'
    if (isSigned) return isClosed && first.kind === 'number'
    return isClosed && (['number', 'string', 'blob'].includes(first.kind) || /^(NULL|TRUE|FALSE)$/.test(first.keyword))
  }

  #readLiteral(): DefaultDdl {
    const isNegative = this.acceptSymbol('-')
    if (!isNegative) this.acceptSymbol('+')
    const { kind, text, keyword } = this.token
    if (kind === 'number') {
      this.advance()
      return { value: numericLiteral(text, isNegative) }
    }
    if (isNegative) throw this.unexpected('a number')
    if (kind === 'blob') {
      this.advance()
      return { value: new Uint8Array(Buffer.from(text, 'hex')) }
    }
    this.name('a default value')
    return wordLiteral(text, keyword)
  }

  /** After the word REFERENCES. */
  #readReference(): void {
    this.#hasForeignKey = true
    this.name('a table name')
    if (this.isSymbol('(')) this.skipParentheses()
    while (this.#acceptReferenceAction());
  }

  #acceptReferenceAction(): boolean {
    if (this.accept('MATCH')) {
      this.name('a match type')
    } else if (this.peek(1).keyword !== 'CONFLICT' && this.accept('ON')) {
      this.name('DELETE or UPDATE')
      const isTwoWords = this.token.keyword === 'SET' || this.token.keyword === 'NO'
      this.name('an action')
      if (isTwoWords) this.name('an action')
    } else {
      return this.#acceptDeferral()
    }
    return true
  }

  #acceptDeferral(): boolean {
    if (!this.accept('DEFERRABLE') && !this.accept('NOT', 'DEFERRABLE')) return false
    if (this.accept('INITIALLY')) this.name('DEFERRED or IMMEDIATE')
    return true
  }

  #readTableConstraint(): void {
    if (this.acceptSymbol(',')) return
    if (this.accept('CONSTRAINT')) {
      this.name('a constraint name')
    } else if (this.accept('PRIMARY', 'KEY')) {
      this.#setPrimaryKey(this.keyParts())
      if (this.accept('AUTOINCREMENT')) this.#isAutoincrement = true
      this.expectSymbol(')')
      this.skipConflictClause()
    } else if (this.accept('UNIQUE')) {
      this.#constraintKeys.push({ isPrimary: false, parts: this.keyParts() })
      this.expectSymbol(')')
      this.skipConflictClause()
    } else if (this.accept('CHECK')) {
      this.#hasCheck = true
      this.skipParentheses()
      this.skipConflictClause()
    } else if (this.accept('FOREIGN', 'KEY')) {
      this.skipParentheses()
      this.expect('REFERENCES')
      this.#readReference()
    } else {
      throw this.unexpected('a table constraint')
    }
  }

  #readOptions(): void {
    while (this.token.kind !== 'end') {
      if (this.accept('WITHOUT', 'ROWID')) this.#isWithoutRowid = true
      else if (this.accept('STRICT')) this.#isStrict = true
      else if (!this.acceptSymbol(',') && !this.acceptSymbol(';')) throw this.unexpected('a table option')
    }
  }
}

/**
 * The declared type as SQLite reports it. It takes quotes off only if they are the outermost characters of the whole,
 * and a word ALWAYS at the end; what is left then decides whether a key is the rowid.
 */
function cleanType(type: string): string {
  // Nobody writes these on purpose, and releases of SQLite differ.
  if (/always$/i.test(type)) throw new UnknownDdl(`type ${type} with ALWAYS at its end`)
  if (!/^["'`[]/.test(type)) return type
  const inner = type.slice(1, -1)
  if (/["'`[\]]/.test(inner)) throw new UnknownDdl(`type ${type} of several quoted parts`)
  return inner
}

function numericLiteral(text: string, isNegative: boolean): SqlValue {
  const isHex = /^0x/i.test(text)
  if (isHex || /^[0-9]+$/.test(text)) {
    const magnitude = BigInt(text)
    const value = isNegative ? -magnitude : magnitude
    if (isHex) return normalizeInteger(BigInt.asIntN(64, value))
    if (value <= INT64_MAX && -value <= INT64_MAX + 1n) return normalizeInteger(value)
  }
  return isNegative ? -Number(text) : Number(text)
}

/** SQLite takes any other word as a string. */
function wordLiteral(text: string, keyword: string): DefaultDdl {
  switch (keyword) {
    case 'NULL':
      return { value: null }
    case 'TRUE':
      return { value: 1 }
    case 'FALSE':
      return { value: 0 }
    case 'CURRENT_TIME':
    case 'CURRENT_DATE':
    case 'CURRENT_TIMESTAMP':
      return null
    default:
      return { value: text }
  }
}

function readIndex(reader: TokenReader): IndexDdl {
  reader.expect('CREATE')
  const isUnique = reader.accept('UNIQUE')
  reader.expect('INDEX')
  const name = reader.name('an index name')
  reader.expect('ON')
  const table = reader.name('a table name')
  const columns = reader.keyParts()
  reader.expectSymbol(')')
  return { name, table, isUnique, isPartial: reader.accept('WHERE'), columns }
}
