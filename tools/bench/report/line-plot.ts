/**
 * A plot of lines as SVG, for documents: readable on light and dark pages alike, and the same bytes for the same figures. A store has
 * the same colour in every plot.
 */
import { type Axis, type Scale, scaleOf } from './axis.js'
import { element, text } from './svg.js'

export interface Line {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface LinePlot {
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly lines: readonly Line[]
  /** Marks each point, where there are few of them. Default true. */
  readonly dots?: boolean
}

const WIDTH = 760
const HEIGHT = 400
const FRAME = { left: 70, right: 200, top: 40, bottom: 55 }
const INNER_WIDTH = WIDTH - FRAME.left - FRAME.right
const INNER_HEIGHT = HEIGHT - FRAME.top - FRAME.bottom
const LEGEND_LINE = 18
/** In letters. */
const LEGEND_WIDTH = 24

/** Distinct on white and on dark grey, also for those who cannot tell red from green. */
const COLOURS = ['#0077bb', '#33aadd', '#ee7733', '#aa9922', '#cc3311', '#ee3377', '#009988', '#8866cc', '#888888']
const COLOUR_OF: Readonly<Record<string, number>> = {
  endmark: 0,
  'endmark inline': 1,
  'better-sqlite3': 2,
  'node:sqlite': 3,
  lmdb: 4,
  'lmdb getBinaryFast': 5,
  'classic-level': 6,
  turso: 7,
  'endmark, walLimit': 1,
  'endmark, walLimit and snapshotTimeout': 6,
}
const STYLE =
  'text{font:12px system-ui,sans-serif;fill:#333}.title{font-size:14px;font-weight:600}.grid{stroke:#ddd}' +
  '@media(prefers-color-scheme:dark){text{fill:#ccc}.grid{stroke:#444}}'

/** @throws Error if no line has a point */
export function linePlot({ title, x, y, lines, dots = true }: LinePlot): string {
  const points = lines.flatMap((line) => line.points)
  if (points.length === 0) throw new Error(`the plot "${title}" has no points`)
  const [across, up] = [
    scaleOf(
      x,
      points.map(([value]) => value),
    ),
    scaleOf(
      y,
      points.map(([, value]) => value),
    ),
  ]
  const place = ([pointX, pointY]: readonly [number, number]) =>
    [FRAME.left + across.place(pointX) * INNER_WIDTH, FRAME.top + (1 - up.place(pointY)) * INNER_HEIGHT] as const
  const size = { width: WIDTH, height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}` }
  return `${element(
    'svg',
    { xmlns: 'http://www.w3.org/2000/svg', ...size, role: 'img', 'aria-label': title },
    element('style', {}, STYLE),
    text(title, { class: 'title', x: FRAME.left, y: 22 }),
    ...gridAcross(across, x.label),
    ...gridUp(up, y.label),
    ...lines.map((line, index) => drawn(line, colourOf(line, index), place, dots)),
    ...legend(lines),
  )}\n`
}

function gridAcross({ ticks, place }: Scale, label: string): string[] {
  const bottom = FRAME.top + INNER_HEIGHT
  return [
    ...ticks.flatMap((tick) => {
      const x = FRAME.left + place(tick.value) * INNER_WIDTH
      return [
        element('line', { class: 'grid', x1: x, y1: FRAME.top, x2: x, y2: bottom }),
        text(tick.label, { x, y: bottom + 18, 'text-anchor': 'middle' }),
      ]
    }),
    text(label, { x: FRAME.left + INNER_WIDTH / 2, y: HEIGHT - 12, 'text-anchor': 'middle' }),
  ]
}

function gridUp({ ticks, place }: Scale, label: string): string[] {
  const [right, middle] = [FRAME.left + INNER_WIDTH, FRAME.top + INNER_HEIGHT / 2]
  return [
    ...ticks.flatMap((tick) => {
      const y = FRAME.top + (1 - place(tick.value)) * INNER_HEIGHT
      return [
        element('line', { class: 'grid', x1: FRAME.left, y1: y, x2: right, y2: y }),
        text(tick.label, { x: FRAME.left - 8, y: y + 4, 'text-anchor': 'end' }),
      ]
    }),
    text(label, { x: 18, y: middle, 'text-anchor': 'middle', transform: `rotate(-90 18 ${middle})` }),
  ]
}

function drawn(
  { points }: Line,
  colour: string,
  place: (point: readonly [number, number]) => readonly [number, number],
  dots: boolean,
): string {
  const places = points.map(place)
  const path = places.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ')
  const line = element('polyline', { points: path, fill: 'none', stroke: colour, 'stroke-width': 2 })
  const marks = dots ? places.map(([cx, cy]) => element('circle', { cx, cy, r: 3, fill: colour })) : []
  return line + marks.join('')
}

function legend(lines: readonly Line[]): string[] {
  const x = FRAME.left + INNER_WIDTH + 14
  let y = FRAME.top + 10
  return lines.flatMap((line, index) => {
    const key = { x1: x, y1: y, x2: x + 16, y2: y, stroke: colourOf(line, index), 'stroke-width': 3 }
    const words = wrapped(line.name).map((part) => {
      const shown = text(part, { x: x + 22, y: y + 4 })
      y += LEGEND_LINE
      return shown
    })
    return [element('line', key), ...words]
  })
}

/** A name that is too long for one line goes on in the next. */
function wrapped(name: string): string[] {
  if (name.length <= LEGEND_WIDTH) return [name]
  const end = name.lastIndexOf(' ', LEGEND_WIDTH)
  return end < 0 ? [name] : [name.slice(0, end), ...wrapped(name.slice(end + 1))]
}

function colourOf({ name }: Line, index: number): string {
  return COLOURS[(COLOUR_OF[name] ?? index) % COLOURS.length]!
}
