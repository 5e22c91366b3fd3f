/**
 * What a transaction does to the database, the same for Endmark and for SQLite: it reads some keys, writes some of them with the
 * next version, moves an amount between those it writes, so that the sum over all keys stays 0, and rewrites the
 * row of its lane. Why that is enough to judge a run by is told in history.ts.
 */
import type { KeyRead, TransactionName, TransactionRecord } from './history.js'
import type { WriteCommand } from './messages.js'

/** Half of all accesses go to the first few, so that transactions meet. */
export const KEY_COUNT = 120
export const HOT_KEY_COUNT = 8

export const CELLS = 'cells'
export const LANES = 'lanes'

/** What stands under a key of `cells`. */
export interface Cell {
  readonly version: number
  readonly writer: TransactionName
  readonly amount: number
}

/** The rows as this transaction or snapshot sees them. */
export interface Reads {
  readonly cell: (key: number) => string | undefined
}

export interface Access extends Reads {
  readonly lane: (lane: number) => string | undefined
  readonly putCell: (key: number, text: string) => void
  readonly putLane: (lane: number, text: string) => void
}

export interface WriteResult {
  readonly record: TransactionRecord
  /** Records in the row of the lane that nobody has reported. */
  readonly found: readonly TransactionRecord[]
  /** The number of the lane's last committed transaction before this one. */
  readonly lastNumber: number
}

/** Thrown by a transaction that is to leave no trace. */
export class Deliberate extends Error {}

export function nameOf(lane: number, number: number): TransactionName {
  return `${lane}:${number}`
}

export function numberOf(name: TransactionName): number {
  return Number(name.slice(name.indexOf(':') + 1))
}

/** Runs inside one write transaction. @throws Deliberate if the command says so; Error about data that cannot be right */
export function runWrite(access: Access, command: WriteCommand): WriteResult {
  const { lane, number, knownUpTo } = command
  const row = parseLane(access.lane(lane))
  if (row.last >= number)
    throw new Error(`wrong data: transaction ${nameOf(lane, number)} runs, but ${row.last} stands there`)
  const found = row.records.filter(({ name }) => numberOf(name) > knownUpTo)
  const name = nameOf(lane, number)
  const cells = new Map(command.keys.map((key) => [key, readCell(access, key)]))
  const writes = command.keys.slice(0, command.writeCount).map((key) => ({ key, version: cells.get(key)!.version + 1 }))
  for (const [index, { key, version }] of writes.entries()) {
    const share = index === 0 ? -(writes.length - 1) : 1
    access.putCell(
      key,
      encodeCell(key, { version, writer: name, amount: cells.get(key)!.amount + share * command.amount }),
    )
  }
  const record = { name, reads: [...cells].map(([key, cell]) => readOf(key, cell)), writes }
  access.putLane(lane, JSON.stringify({ last: number, records: [...found, record] } satisfies LaneRow))
  if (command.isAborted) throw new Deliberate('on purpose')
  return { record, found, lastNumber: row.last }
}

export function readCell(reads: Reads, key: number): Cell {
  const text = reads.cell(key)
  if (text === undefined) throw new Error(`wrong data: key ${key} is missing`)
  return parseCell(key, text)
}

export function readOf(key: number, { version, writer }: Cell): KeyRead {
  return { key, version, writer }
}

/** Ends in a text that only this version of this key by this writer has, of a size between nothing and an overflow chain. */
export function encodeCell(key: number, { version, writer, amount }: Cell): string {
  const mixed = Math.imul(key + 1, 2654435761) ^ Math.imul(version, 40503)
  const size = (mixed >>> 0) % (version % 9 === 0 ? 9000 : 260)
  return `${version} ${writer} ${amount} ${`${key}/${version}/${writer}.`.repeat(1 + size / 12)}`
}

/** @throws Error if these are not the bytes of any cell of this key */
export function parseCell(key: number, text: string): Cell {
  const [version = '', writer = '', amount = ''] = text.split(' ', 3)
  const cell = { version: Number(version), writer, amount: Number(amount) }
  if (text !== encodeCell(key, cell)) {
    throw new Error(`wrong data: key ${key} holds ${text.length} characters that nobody wrote: ${text.slice(0, 60)}`)
  }
  return cell
}

interface LaneRow {
  readonly last: number
  readonly records: readonly TransactionRecord[]
}

export function parseLane(text: string | undefined): LaneRow {
  return text === undefined ? { last: 0, records: [] } : (JSON.parse(text) as LaneRow)
}
