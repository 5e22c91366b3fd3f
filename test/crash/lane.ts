/**
 * What the writers of the kill tests do, as a function of (lane, step), so that the test can tell from the
 * number of a lane's last step what the database must contain. A lane's steps follow one another; lanes run
 * side by side. Each step is one transaction over two tables:
 *
 * - it puts row `step` of the lane, of a size between nothing and a long overflow chain,
 * - deletes the row LIVE_STEPS before it, and rewrites one in between,
 * - moves an amount from the lane's account to the next lane's, and
 * - notes the step as the lane's last.
 */
import type { Database, OrderedMap } from '../../src/index.js'

export const LANE_COUNT = 4
const LIVE_STEPS = 12

export interface LaneTables {
  readonly rows: OrderedMap<string, string>
  readonly lastSteps: OrderedMap<number, number>
  readonly accounts: OrderedMap<number, number>
}

export async function openLaneTables(db: Database): Promise<LaneTables> {
  return {
    rows: await db.map<string, string>('rows', { key: 'text', value: 'text' }),
    lastSteps: await db.map<number, number>('last_steps', { key: 'integer', value: 'integer' }),
    accounts: await db.map<number, number>('accounts', { key: 'integer', value: 'integer' }),
  }
}

/** What one step of a lane changes. */
export interface Step {
  readonly puts: readonly (readonly [key: string, text: string])[]
  /** Key of the row that has had its time, if there is one. */
  readonly expired: string | null
  /** Amount that goes to the next lane's account. */
  readonly moved: number
}

export function stepOf(lane: number, step: number): Step {
  const puts: [string, string][] = [[rowKey(lane, step), rowText(lane, step)]]
  const rewritten = rewrittenStep(step)
  if (rewritten > 0) puts.push([rowKey(lane, rewritten), rowText(lane, rewritten, step)])
  return { puts, expired: step > LIVE_STEPS ? rowKey(lane, step - LIVE_STEPS) : null, moved: step }
}

export function laneAfterThis(lane: number): number {
  return (lane + 1) % LANE_COUNT
}

/** Commits the lane's next step. @returns its number */
export function takeStep(db: Database, { rows, lastSteps, accounts }: LaneTables, lane: number): Promise<number> {
  return db.transaction((tx) => {
    const step = (tx.get(lastSteps, lane) ?? 0) + 1
    const { puts, expired, moved } = stepOf(lane, step)
    for (const [key, text] of puts) tx.put(rows, key, text)
    if (expired !== null) tx.delete(rows, expired)
    tx.put(accounts, lane, (tx.get(accounts, lane) ?? 0) - moved)
    const next = laneAfterThis(lane)
    tx.put(accounts, next, (tx.get(accounts, next) ?? 0) + moved)
    tx.put(lastSteps, lane, step)
    return step
  })
}

/** The rows of a lane whose last step was `lastStep`, and what it moved to the next lane's account in all. */
export function laneAfter(lane: number, lastStep: number): { rows: Map<string, string>; moved: number } {
  const rows = new Map<string, string>()
  for (let step = Math.max(1, lastStep - 2 * LIVE_STEPS); step <= lastStep; step++) {
    const { puts, expired } = stepOf(lane, step)
    for (const [key, text] of puts) rows.set(key, text)
    if (expired !== null) rows.delete(expired)
  }
  return { rows, moved: (lastStep * (lastStep + 1)) / 2 }
}

function rewrittenStep(step: number): number {
  return step - (step % (LIVE_STEPS - 1))
}

function rowKey(lane: number, step: number): string {
  return `${lane}/${String(Math.max(0, step)).padStart(10, '0')}`
}

function rowText(lane: number, step: number, rewrittenBy = 0): string {
  const length = (Math.imul(step + 7 * lane, 2654435761) >>> 0) % (step % 5 === 0 ? 30_000 : 300)
  return `lane ${lane} step ${step} by ${rewrittenBy} `.repeat(1 + length / 20)
}
