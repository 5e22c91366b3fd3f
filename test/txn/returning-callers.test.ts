/** Which batches wait for callers who are coming back, and how long. */
import test from 'ava'
import { ReturningCallers } from '../../src/txn/returning-callers.js'

const [A, B, C, D] = ['A', 'B', 'C', 'D'].map((name) => ({ caller: { name } })) as [Who, Who, Who, Who]
type Who = { readonly caller: object }

/** After these batches, the last of which ended at 0. */
function after(...batches: readonly (readonly { caller: object | null }[])[]): ReturningCallers {
  const returning = new ReturningCallers()
  for (const batch of batches) returning.released(batch, 0)
  return returning
}

test('nobody is waited for before the first batch, nor by who is alone', (t) => {
  t.false(after().areWorthWaitingFor(1, 0))
  t.false(after([A], [A]).areWorthWaitingFor(1, 0))
})

test('callers who take turns are brought together', (t) => {
  const returning = after([A, B], [C, D])
  t.true(returning.areWorthWaitingFor(2, 0.01), 'A and B have come during the sync')
  t.true(returning.areWorthWaitingFor(3, 0.05))
  t.false(returning.areWorthWaitingFor(4, 0.08))
  returning.released([A, B, C, D], 0.3)
  t.true(returning.areWorthWaitingFor(3, 0.35))
  t.false(returning.areWorthWaitingFor(4, 0.36))
})

test('they are waited for no longer than a trip there and back takes', (t) => {
  const returning = after([A], [B])
  t.true(returning.areWorthWaitingFor(1, 0.39))
  t.false(returning.areWorthWaitingFor(1, 0.4))
  t.false(after([A], [B]).areWorthWaitingFor(1, 5), 'who comes late anyway waits for nobody')
})

test('several requests of one caller are one', (t) => {
  t.false(after([A, A, A], [A]).areWorthWaitingFor(1, 0.01))
})

test('after vain waits batches do without, ever more of them, until somebody comes', (t) => {
  const returning = after([A], [B])
  let nowMs = 0
  let batches = 0
  /** A and B by turns, a millisecond apart. */
  const next = () => {
    nowMs += 1
    returning.released([batches++ % 2 === 0 ? A : B], nowMs)
  }
  const skipped: number[] = []
  for (let round = 0; round < 9; round++) {
    let count = 0
    for (; !returning.areWorthWaitingFor(1, nowMs); count++) next()
    skipped.push(count)
    t.false(returning.areWorthWaitingFor(1, nowMs + 0.45), 'in vain')
    next()
  }
  t.deepEqual(skipped, [0, 1, 2, 4, 8, 16, 32, 64, 64])
  while (!returning.areWorthWaitingFor(1, nowMs)) next()
  t.false(returning.areWorthWaitingFor(2, nowMs + 0.1), 'somebody came')
  next()
  t.true(returning.areWorthWaitingFor(1, nowMs))
})

test('many callers, and callers that are nobody, are not waited for', (t) => {
  const many = Array.from({ length: 9 }, () => ({ caller: {} }))
  t.false(after(many, many).areWorthWaitingFor(1, 0))
  t.false(after([{ caller: null }, { caller: null }], [{ caller: null }]).areWorthWaitingFor(0, 0))
})
