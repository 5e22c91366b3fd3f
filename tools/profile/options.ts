/** What is profiled with what. */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { TOOLS, type Tool } from './tools.js'
import { WORKLOADS, type Workload } from './workloads/index.js'

export interface ProfileOptions {
  readonly tools: readonly Tool[]
  readonly workloads: readonly Workload[]
  readonly seconds: number
  readonly rowCount: number
  /** Where the database is made. */
  readonly folder: string
}

const ALL = 'all'

function listed(entries: readonly { readonly name: string; readonly about: string }[]): string {
  return entries.map(({ name, about }) => `    ${name.padEnd(20)} ${about}`).join('\n')
}

export const USAGE = `usage: npm start -- TOOL[,TOOL…] WORKLOAD[,WORKLOAD…]
       --seconds S    how long the profiled process works (5)
       --rows N       rows of the database (1000000)
       --folder F     where the database is made (the system's folder for temporary files)

Results go to .profiles/WORKLOAD/TOOL. \`${ALL}\` stands for every one of them.

tools:
${listed(TOOLS)}

workloads:
${listed(WORKLOADS)}
`

/** @returns undefined: show the usage */
export function parseOptions(args: readonly string[]): ProfileOptions | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '5' },
      rows: { type: 'string', default: '1000000' },
      folder: { type: 'string', default: tmpdir() },
      help: { type: 'boolean', default: false },
    },
  })
  const [tools, workloads, ...more] = positionals
  if (values.help || tools === undefined || workloads === undefined || more.length > 0) return undefined
  return {
    tools: chosen('tool', TOOLS, tools),
    workloads: chosen('workload', WORKLOADS, workloads),
    seconds: positive('seconds', values.seconds),
    rowCount: positive('rows', values.rows),
    folder: values.folder,
  }
}

function chosen<Entry extends { readonly name: string }>(
  what: string,
  all: readonly Entry[],
  text: string,
): readonly Entry[] {
  if (text === ALL) return all
  return text.split(',').map((name) => {
    const found = all.find((entry) => entry.name === name)
    if (found === undefined)
      throw new Error(`there is no ${what} ${name}; known: ${all.map((entry) => entry.name).join(', ')}`)
    return found
  })
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${name} is a number above 0, not ${text}`)
  return value
}
