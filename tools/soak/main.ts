/**
 * The soak: turn by turn the stress tool in each of its modes and the fuzzer, each turn with another seed, until the time is over or
 * something is found. One line for each turn, with the command that repeats it; sums at the end. Exits with 1 if anything was found.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const USAGE = `Usage: npm run soak -- [options]

  --hours N           how long (1)
  --turn-seconds N    how long each turn is (600)
  --seed N            of the first turn; each further one is one more (random)
  --help              show this
`

const TOOLS = {
  stress: fileURLToPath(new URL('../stress/main.js', import.meta.url)),
  fuzz: fileURLToPath(new URL('../fuzz/main.js', import.meta.url)),
} as const

interface Turn {
  readonly tool: keyof typeof TOOLS
  readonly options: readonly string[]
}

const TURNS: readonly Turn[] = [
  { tool: 'stress', options: ['--mode', 'process'] },
  { tool: 'stress', options: ['--mode', 'process', '--sqlite'] },
  { tool: 'fuzz', options: [] },
  { tool: 'stress', options: ['--mode', 'inline'] },
  { tool: 'stress', options: ['--mode', 'inline', '--sqlite', '--processes', '6'] },
]

/** Figures that both tools end with, as far as they have them. */
const FIGURES = ['commits', 'snapshots', 'workerKills', 'writerKills', 'checkpointerKills', 'lost', 'cases'] as const
type Figures = Partial<Record<(typeof FIGURES)[number], number>>

const { values } = parseArgs({
  options: {
    hours: { type: 'string', default: '1' },
    'turn-seconds': { type: 'string', default: '600' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    help: { type: 'boolean', default: false },
  },
})
const [hours, turnSeconds, firstSeed] = [Number(values.hours), Number(values['turn-seconds']), Number(values.seed)]

if (values.help) process.stdout.write(USAGE)
else if (!(hours >= 0 && turnSeconds > 0 && Number.isInteger(firstSeed) && firstSeed >= 0)) {
  console.error(`what was given are no numbers that make sense\n${USAGE}`)
  process.exitCode = 2
} else process.exitCode = await soak()

async function soak(): Promise<number> {
  const endMs = performance.now() + hours * 3_600_000
  const sums: Record<string, number> = {}
  for (let index = 0; index === 0 || performance.now() < endMs; index++) {
    const seconds = Math.max(1, Math.min(turnSeconds, Math.ceil((endMs - performance.now()) / 1000)))
    const { tool, options } = TURNS[index % TURNS.length]!
    const given = ['--seconds', String(seconds), '--seed', String(firstSeed + index), ...options]
    const { code, output } = await run(tool, given)
    const figures = figuresOf(output)
    for (const name of FIGURES) if (figures[name] !== undefined) sums[name] = (sums[name] ?? 0) + figures[name]
    console.log(`${tool} ${given.join(' ')}: ${code === 0 ? format(figures) : `failed (${code})\n${output}`}`)
    if (code !== 0) return 1
  }
  console.log(`in all: ${format(sums)}`)
  return 0
}

async function run(tool: Turn['tool'], options: readonly string[]): Promise<{ code: number | string; output: string }> {
  const child = spawn(process.execPath, [TOOLS[tool], '--json', ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
  const pass = (signal: NodeJS.Signals) => stop(child, signal)
  process.on('SIGINT', pass).on('SIGTERM', pass)
  let output = ''
  child.stdout.on('data', (data) => {
    output += String(data)
  })
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  process.off('SIGINT', pass).off('SIGTERM', pass)
  return { code: code ?? signal ?? 1, output }
}

function stop(child: ChildProcess, signal: NodeJS.Signals): void {
  child.kill(signal)
}

function figuresOf(output: string): Figures {
  try {
    return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') as Figures
  } catch {
    return {}
  }
}

function format(figures: Figures): string {
  const parts = FIGURES.filter((name) => figures[name] !== undefined)
  return parts.map((name) => `${name} ${figures[name]!.toLocaleString('en-US')}`).join(', ')
}
