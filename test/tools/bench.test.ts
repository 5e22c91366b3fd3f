/** The parts of the benchmark suite that need none of the stores: statistics, random numbers, figures, targets, plots, the page. */
import test from 'ava'
import { combineRounds } from '../../tools/bench/figures.js'
import { Latencies } from '../../tools/bench/latencies.js'
import { scattered, shuffled, zipfianRanks } from '../../tools/bench/random.js'
import { scaleOf } from '../../tools/bench/report/axis.js'
import { linePlot } from '../../tools/bench/report/line-plot.js'
import { benchmarksPage } from '../../tools/bench/report/page.js'
import { targetResults } from '../../tools/bench/report/targets.js'
import { mergeResults, type ResultRow, type Results, type WorkloadResult } from '../../tools/bench/results.js'
import {
  ChangingValues,
  counterOf,
  keyOf,
  LOADER,
  missingKeyOf,
  RandomKeys,
  requireValue,
  rowsInOrder,
  rowsOf,
  writerOf,
} from '../../tools/bench/rows.js'
import { median } from '../../tools/bench/statistics.js'

const CONDITIONS = {
  rows: 1000,
  dataMb: 12.3,
  memoryMb: 8192,
  keyBytes: 16,
  valueBytes: 100,
  synchronous: 'full',
  processes: 4,
  outstanding: 64,
} as const

function rowOf(store: string, name: string, perSecond: number, more: Partial<ResultRow> = {}): ResultRow {
  return { case: name, store, conditions: CONDITIONS, figures: { perSecond }, rounds: [{ perSecond }], ...more }
}

function workload(name: string, rows: readonly ResultRow[], more: Partial<WorkloadResult> = {}): WorkloadResult {
  return { workload: name, title: `Title of ${name}`, about: 'About it.', rows, ...more }
}

function resultsOf(workloads: readonly WorkloadResult[], more: Partial<Results> = {}): Results {
  const machine = { node: 'v20.1.2', platform: 'linux x64', cores: 2, memoryMb: 8192, fileSystem: 'ext4', syncMs: 0.1 }
  return {
    time: '2026-01-02T03:04:05Z',
    machine,
    options: { rounds: 3 },
    versions: { lmdb: '1.2.3' },
    absent: [],
    workloads,
    failures: [],
    ...more,
  }
}

test('the median of an even number of values lies between the middle two, and leaves the values alone', (t) => {
  const values = [9, 1, 5, 2]
  t.is(median(values), 3.5)
  t.is(median([9, 1, 5]), 5)
  t.deepEqual(values, [9, 1, 5, 2])
})

test('rounds become one by medians, but the worst wait is that of any round, and counts are added up', (t) => {
  const rounds = [
    { perSecond: 10, worstMs: 5, busy: 1 },
    { perSecond: 30, worstMs: 50, busy: 0 },
    { perSecond: 20, worstMs: 6, busy: 4 },
  ]
  t.deepEqual(combineRounds(rounds), { perSecond: 20, worstMs: 50, busy: 5 })
})

test('quantiles of latencies are those of the calls, to 2%, also when several processes are added up', (t) => {
  const [one, other] = [new Latencies(), new Latencies()]
  for (let ms = 1; ms <= 1000; ms++) (ms % 2 === 0 ? one : other).record(ms)
  one.add(other.toCounts())
  for (const share of [0.5, 0.99, 0.999]) t.true(Math.abs(one.quantile(share) / (1000 * share) - 1) < 0.02, `${share}`)
  t.is(one.maxMs, 1000)
  const curve = one.curve()
  t.true(curve.every(([, ms], index) => index === 0 || ms >= curve[index - 1]![1]))
  t.true(curve[0]![1] > 0.9)
  t.is(new Latencies().quantile(0.5), 0)
})

test('a shuffled order has every row once', (t) => {
  const order = shuffled(1000, 7)
  t.deepEqual(
    order.toSorted(),
    Uint32Array.from({ length: 1000 }, (_, index) => index),
  )
  t.notDeepEqual(order, order.toSorted())
  t.deepEqual(order, shuffled(1000, 7))
})

test('keys have 16 bytes and the order of their rows, and missing ones lie between', (t) => {
  for (const row of [0, 1, 9, 10, 255, 999_999, 50_000_000]) {
    t.is(Buffer.byteLength(keyOf(row)), 16)
    t.true(keyOf(row) < keyOf(row + 1))
    t.true(missingKeyOf(row) > keyOf(row))
    t.true(missingKeyOf(row) < keyOf(row + 16))
  }
})

test('random keys are those of rows, and hot ones are so many that are spread over all', (t) => {
  const rowCount = 100_000
  const hot = new RandomKeys(rowCount, 1, { of: 'hot', count: 100 }, 10_000)
  const keys = new Set(Array.from({ length: 10_000 }, () => hot.next()))
  t.is(keys.size, 100)
  t.true([...keys].some((key) => key > keyOf(rowCount * 0.9)))
  const all = new RandomKeys(rowCount, 1, { of: 'all' }, 1000)
  for (let count = 0; count < 3000; count++) {
    const key = all.next()
    t.is(key, keyOf(all.row))
    if (all.row >= rowCount) t.fail(`row ${all.row}`)
  }
  t.is(all.nextMany(64).length, 64)
})

test('a value names its row and its writer, never comes twice, and is told from that of another row', (t) => {
  const values = new ChangingValues(7)
  const [first, second] = [values.next(123), values.next(123)]
  t.is(first.length, 100)
  t.notDeepEqual(first, second)
  t.deepEqual([writerOf(second), counterOf(second)], [7, counterOf(first) + 1])
  t.notThrows(() => requireValue(first, 123))
  t.throws(() => requireValue(first, 124), { message: 'row 124: the value of row 123' })
  t.throws(() => requireValue(undefined, 1), { message: 'row 1: no bytes of value' })
  const rows = Array.from(rowsOf(rowsInOrder(5, 2)), ({ key, value }) => [key, writerOf(value) === LOADER])
  t.deepEqual(
    rows,
    [2, 3, 4].map((row) => [keyOf(row), true]),
  )
})

test('zipfian ranks are in bounds, and the first ones are drawn as often as they should', (t) => {
  const [count, draws] = [1000, 100_000]
  const rank = zipfianRanks(count, 1)
  const drawn = new Uint32Array(count)
  for (let index = 0; index < draws; index++) drawn[rank()]!++
  let zeta = 0
  for (let index = 1; index <= count; index++) zeta += 1 / index ** 0.99
  t.true(Math.abs(drawn[0]! / (draws / zeta) - 1) < 0.1, `${drawn[0]}`)
  t.true(Math.abs(drawn[1]! / (draws / zeta / 2 ** 0.99) - 1) < 0.1, `${drawn[1]}`)
  t.is(
    drawn.reduce((total, times) => total + times, 0),
    draws,
  )
  t.true(Array.from(drawn.keys(), (index) => scattered(index, count)).every((row) => row >= 0 && row < count))
})

test('a scale ends at round numbers around its values', (t) => {
  const linear = scaleOf({ label: '', scale: 'linear' }, [3, 47])
  t.deepEqual(
    linear.ticks.map(({ label }) => label),
    ['0', '10', '20', '30', '40', '50'],
  )
  t.is(linear.place(25), 0.5)
  const log = scaleOf({ label: '', scale: 'log' }, [200, 90_000])
  t.deepEqual(
    log.ticks.map(({ label }) => label),
    ['100', '1k', '10k', '100k'],
  )
  t.is(log.place(100), 0)
  t.is(log.place(100_000), 1)
})

test('a plot has a line and a legend for each store, escapes what it is told, and stays in its frame', (t) => {
  const axis = { label: 'a < b', scale: 'linear' } as const
  const lines = [
    { name: 'endmark', points: [[0, 1] as const, [10, 5] as const] },
    { name: 'a store with a name that is far too long for one line', points: [[0, 2] as const] },
  ]
  const svg = linePlot({ title: 'A & B', x: axis, y: axis, lines })
  t.is(svg.match(/<polyline /g)?.length, 2)
  t.regex(svg, /A &#38; B/)
  t.regex(svg, /a &#60; b/)
  t.notRegex(svg, /NaN|undefined|Infinity/)
  for (const [, value = ''] of svg.matchAll(/ (?:x|cx|x1|x2)="([^"]*)"/g))
    t.true(Number(value) >= 0 && Number(value) <= 760)
  t.throws(() => linePlot({ title: 'none', x: axis, y: axis, lines: [] }), { message: /no points/ })
})

test('a target is reached, missed or not measured, by the ratio in the same run', (t) => {
  const results = targetResults([
    workload('commits', [
      rowOf('endmark', '4 x 64', 2500),
      rowOf('better-sqlite3', '4 x 64', 100),
      rowOf('lmdb', '4 x 64', 2000),
    ]),
    workload('bulk-load', [
      rowOf('endmark inline', 'sorted keys', 300),
      rowOf('lmdb', 'sorted keys', 200),
      rowOf('better-sqlite3', 'sorted keys', 100),
    ]),
    workload('log-growth', [rowOf('endmark', '1,000,000 frames', 100), rowOf('endmark', '1,000 frames', 110)]),
    workload('full-scan', [rowOf('endmark', 'all rows', 100)]),
    workload('reader-latency', [
      rowOf('endmark inline', 'one reader, one writer', 1, { figures: { p99Ms: 1 } }),
      rowOf('better-sqlite3', 'one reader, one writer', 1, { figures: { p99Ms: 5 } }),
    ]),
  ])
  const verdict = (what: RegExp, against: string) => {
    const found = results.find((result) => what.test(result.what) && result.against === against)
    return found && [found.got, found.verdict]
  }
  t.deepEqual(verdict(/4 processes x 64/, 'better-sqlite3'), [25, 'must'])
  t.deepEqual(verdict(/4 processes x 64/, 'lmdb'), [1.25, 'missed'])
  t.deepEqual(verdict(/sorted keys/, 'fastest peer'), [1.5, 'goal'])
  t.deepEqual(verdict(/random keys/, 'fastest peer'), [null, 'not measured'])
  t.deepEqual(verdict(/time of a point read/, '1,000 frames'), [1.1, 'must'])
  t.deepEqual(verdict(/full scan/, 'lmdb'), [null, 'not measured'])
  t.deepEqual(verdict(/reader p99/, 'better-sqlite3'), [0.2, 'must'])
})

test('the page has a section for each workload, its plots, and every condition of a row', (t) => {
  const commits = ['endmark', 'lmdb'].flatMap((store) => [
    rowOf(store, '4 x 64', 1234, {
      quantiles: [
        [0.5, 1],
        [0.9, 2],
      ],
    }),
    rowOf(store, '1 x 64', 567, { conditions: { ...CONDITIONS, processes: 1 } }),
  ])
  const growth = [1000, 10_000].map((x) => rowOf('endmark', `${x} frames`, 1e6, { x }))
  const series = [
    {
      name: 'endmark',
      points: [
        [0, 1],
        [1, 2],
      ] as const,
    },
  ]
  const { markdown, plots } = benchmarksPage(
    resultsOf([workload('commits', commits), workload('log-growth', growth), workload('log-size', [], { series })], {
      absent: [{ store: 'a store', reason: 'it is elsewhere' }],
    }),
  )
  t.deepEqual(
    plots.map(({ file }) => file),
    ['throughput.svg', 'latencies.svg', 'log-growth.svg', 'log-size.svg'],
  )
  for (const { file } of plots) t.true(markdown.includes(`](benchmarks/${file})`), file)
  t.regex(markdown, /\| 4 x 64 \| endmark \| 1,234 \| 1,000 \| 12 MB of 8 GB \| 16, 100 B \| 4 x 64 \| full \|/)
  t.regex(markdown, /\| per second \| endmark \| lmdb \|\n\| --- \| ---: \| ---: \|\n\| 4 x 64 \| 1,234 \| 1,234 \|/)
  t.regex(markdown, /2 cores and 8 GB of memory.*\. Measured on 2026-01-02: lmdb 1\.2\.3\./)
  t.regex(markdown, /a store: it is elsewhere/)
  t.regex(markdown, /one-row commits full, 4 processes x 64 \| lmdb \| at least 2.00 x \| 4.00 x \| 1.00 x \| missed/)
})

test('of a workload that several runs have measured, the last one counts, also after a failure', (t) => {
  const failure = { workload: 'commits', message: 'it broke' }
  const first = resultsOf([workload('ycsb', [])], { failures: [failure, { workload: 'other', message: 'too' }] })
  const second = resultsOf([
    workload('commits', [rowOf('endmark', '1 x 1', 5)]),
    workload('ycsb', [], { about: 'new' }),
  ])
  const merged = mergeResults([first, second])
  t.deepEqual(
    merged.workloads.map(({ workload: name, about }) => [name, about]),
    [
      ['ycsb', 'new'],
      ['commits', 'About it.'],
    ],
  )
  t.deepEqual(
    merged.failures.map(({ workload: name }) => name),
    ['other'],
  )
  t.throws(() => mergeResults([]), { message: /no results/ })
})
