/** The judge of the stress tool is judged: histories that somebody made up, right ones and one for each thing it must find. */
import test from 'ava'
import { checkHistory } from '../../tools/stress/check-history.js'
import { type History, type HistoryEntry, NOBODY } from '../../tools/stress/history.js'

/** Reads `2@0` as version 0 of key 2; what it writes it has read. `by` names the writers of what was read, in order. */
function entry(
  name: string,
  [begin, end]: [number, number | null],
  reads: string,
  writes: readonly number[],
  by = '',
): HistoryEntry {
  const writers = by === '' ? [] : by.split(' ')
  const seen = reads.split(' ').map((text, index) => {
    const [key, version] = text.split('@').map(Number) as [number, number]
    return { key, version, writer: writers[index] ?? NOBODY }
  })
  const written = writes.map((key) => ({ key, version: seen.find((read) => read.key === key)!.version + 1 }))
  return { name, begin, end, reads: seen, writes: written }
}

const START = { version: 0, writer: NOBODY }

/** @param after `version writer` of each key at the end */
function historyOf(after: readonly string[], ...entries: readonly HistoryEntry[]): History {
  const states = after.map((text) => {
    const [version = '', writer = ''] = text.split(' ')
    return { version: Number(version), writer }
  })
  return { before: after.map(() => START), after: states, entries }
}

const UNTOUCHED = `0 ${NOBODY}`

test('a history of transactions one after the other, and of snapshots between them, is sound', (t) => {
  const found = checkHistory(
    historyOf(
      ['2 b', '1 a'],
      entry('a', [1, 2], '0@0 1@0', [0, 1]),
      entry('snapshot', [3, 4], '0@1 1@1', [], 'a a'),
      entry('b', [5, 6], '0@1', [0], 'a'),
    ),
  )
  t.deepEqual(found, [])
})

test('transactions and snapshots that overlap may be seen in either order', (t) => {
  const early = entry('early', [1, 10], '0@0', [])
  const late = entry('late', [1, 10], '0@1', [], 'a')
  t.deepEqual(checkHistory(historyOf(['1 a'], entry('a', [2, 9], '0@0', [0]), early, late)), [])
})

test('a commit that nobody was told of, and that was found, may have happened at any time after its beginning', (t) => {
  const told = entry('b', [5, 6], '0@1', [0], 'a')
  t.deepEqual(checkHistory(historyOf(['2 b'], entry('a', [1, null], '0@0', [0]), told)), [])
})

test('two transactions that wrote the same version are a lost update', (t) => {
  const found = checkHistory(historyOf(['1 b'], entry('a', [1, 2], '0@0', [0]), entry('b', [3, 4], '0@0', [0])))
  t.regex(found.join('\n'), /lost update: version 1 of key 0 was written by a and b/)
})

test('a key that ends at an older version is a lost commit', (t) => {
  const found = checkHistory(historyOf([UNTOUCHED], entry('a', [1, 2], '0@0', [0])))
  t.regex(found.join('\n'), /lost commit: key 0 ends at version 0, a wrote version 1/)
})

test('a version that nobody has written is a phantom, in a read and at the end', (t) => {
  const read = checkHistory(historyOf([UNTOUCHED], entry('snapshot', [1, 2], '0@1', [], 'x')))
  t.regex(read.join('\n'), /phantom: snapshot read version 1 of key 0 by x/)
  t.regex(checkHistory(historyOf(['1 x'])).join('\n'), /phantom: version 1 of key 0 has no writer/)
})

test('a version by somebody else than its writer is a phantom', (t) => {
  const found = checkHistory(
    historyOf(['1 a'], entry('a', [1, 2], '0@0', [0]), entry('snapshot', [3, 4], '0@1', [], 'x')),
  )
  t.regex(found.join('\n'), /phantom: snapshot read version 1 of key 0 by x, not by a/)
})

const UNEXPLAINED = /no order explains/

test('a snapshot that shows half of a transaction has no place in any order', (t) => {
  const half = entry('snapshot', [1, 10], '0@1 1@0', [], 'a')
  t.regex(checkHistory(historyOf(['1 a', '1 a'], entry('a', [2, 3], '0@0 1@0', [0, 1]), half)).join('\n'), UNEXPLAINED)
})

test('two transactions of which each has read what the other then wrote are write skew', (t) => {
  const a = entry('a', [1, 10], '0@0 1@0', [0])
  const b = entry('b', [1, 10], '0@0 1@0', [1])
  t.regex(checkHistory(historyOf(['1 a', '1 b'], a, b)).join('\n'), UNEXPLAINED)
})

test('two snapshots that see two commits in different orders contradict each other', (t) => {
  const found = checkHistory(
    historyOf(
      ['1 a', '1 b'],
      entry('a', [1, 20], '0@0', [0]),
      entry('b', [1, 20], '1@0', [1]),
      entry('snapshot 1', [1, 20], '0@1 1@0', [], 'a'),
      entry('snapshot 2', [1, 20], '0@0 1@1', [], `${NOBODY} b`),
    ),
  )
  t.regex(found.join('\n'), UNEXPLAINED)
})

test('a snapshot that was taken after a commit had been acknowledged, and does not show it, is stale', (t) => {
  const stale = entry('snapshot', [3, 4], '0@0', [])
  t.regex(checkHistory(historyOf(['1 a'], entry('a', [1, 2], '0@0', [0]), stale)).join('\n'), UNEXPLAINED)
})

test('a snapshot that shows a commit which had not begun when it was taken has moved', (t) => {
  const moved = entry('snapshot', [1, 2], '0@1', [], 'a')
  t.regex(checkHistory(historyOf(['1 a'], moved, entry('a', [3, 4], '0@0', [0]))).join('\n'), UNEXPLAINED)
})
