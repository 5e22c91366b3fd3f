/** Rows of results as a Markdown table. */
import { FIGURE_NAMES, FIGURES, type FigureName } from '../figures.js'
import type { Conditions, ResultRow } from '../results.js'

export function resultTable(rows: readonly ResultRow[]): string {
  const figures = FIGURE_NAMES.filter((name) => rows.some((row) => row.figures[name] !== undefined))
  const notes = rows.some(({ note }) => note !== undefined) ? [''] : []
  const titles = [
    'case',
    'store',
    ...figures.map((name) => FIGURES[name].title),
    'rows',
    'data, memory',
    'key, value',
    'P x O',
  ]
  const cells = rows.map((row) => [
    row.case,
    row.store,
    ...figures.map((name) => figureCell(row, name)),
    ...conditionCells(row.conditions),
    ...(notes.length > 0 ? [row.note ?? ''] : []),
  ])
  return markdownTable([...titles, 'synchronous', ...notes], cells)
}

/** One figure of all cases and stores at a glance; empty where there is nothing to compare. */
export function overviewTable(rows: readonly ResultRow[], figure: FigureName): string {
  const measured = rows.filter(({ figures }) => figures[figure] !== undefined)
  const [cases, stores] = [
    [...new Set(measured.map((row) => row.case))],
    [...new Set(measured.map(({ store }) => store))],
  ]
  if (cases.length === 0 || stores.length < 2) return ''
  const cellOf = (name: string, store: string) => {
    const row = measured.find((candidate) => candidate.case === name && candidate.store === store)
    return row === undefined ? '' : figureCell(row, figure)
  }
  const titles = [FIGURES[figure].title, ...stores]
  const cells = cases.map((name) => [name, ...stores.map((store) => cellOf(name, store))])
  return markdownTable(titles, cells, 1)
}

function conditionCells({ rows, dataMb, memoryMb, ...others }: Conditions): string[] {
  const { keyBytes, valueBytes, synchronous, processes, outstanding } = others
  return [
    rows.toLocaleString('en-US'),
    `${dataMb < 10 ? dataMb.toFixed(1) : dataMb.toFixed(0)} MB of ${(memoryMb / 1024).toFixed(0)} GB`,
    `${keyBytes}, ${valueBytes} B`,
    `${processes} x ${outstanding}`,
    synchronous,
  ]
}

function figureCell({ figures }: ResultRow, name: FigureName): string {
  const value = figures[name]
  return value === undefined ? '' : FIGURES[name].format(value)
}

/** The first columns are words, the others numbers. */
export function markdownTable(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  wordColumns = 2,
): string {
  const lines = [titles, titles.map((_, column) => (column < wordColumns ? '---' : '---:')), ...rows]
  return lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}
