/** What profiles say: of V8's, the functions with the largest shares of their own, callees not included. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { engineFolder } from './engine.js'

interface CallFrame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
}

interface CpuProfile {
  readonly nodes: readonly { readonly callFrame: CallFrame; readonly hitCount: number }[]
}

interface AllocationNode {
  readonly callFrame: CallFrame
  readonly selfSize: number
  readonly children: readonly AllocationNode[]
}

const ROWS_MAX = 15
const FILES_MAX = 6
const SHARE_MIN = 0.005
const IDLE = '(idle)'

export function summarizeCpu(folder: string): string {
  const { nodes } = readProfile<CpuProfile>(folder, '.cpuprofile')
  const shares = new Shares()
  let idle = 0
  for (const { callFrame, hitCount } of nodes) {
    if (callFrame.functionName === IDLE) idle += hitCount
    else shares.add(callFrame, hitCount)
  }
  const busyShare = percent(shares.total / (idle + shares.total))
  return `Busy ${busyShare} of the time. Of that:\n\n${shares.table('time')}`
}

export function summarizeAllocations(folder: string): string {
  const { head } = readProfile<{ readonly head: AllocationNode }>(folder, '.heapprofile')
  const shares = new Shares()
  const open = [head]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    shares.add(node.callFrame, node.selfSize)
    open.push(...node.children)
  }
  return `${Math.round(shares.total / 2 ** 20)} MiB were allocated on V8's heap:\n\n${shares.table('bytes')}`
}

/** The reports of clinic, which are to be looked at in a browser. */
export function listReports(folder: string): string {
  return reportsIn(folder).join('\n')
}

/** Its verdict, and what it finds wrong with each of the things it looks at. */
export function summarizeDoctor(folder: string): string {
  const [report] = reportsIn(folder)
  const found = /"analysis": (\{.*?"issueCategory":"[^"]*"\})/.exec(
    report === undefined ? '' : readFileSync(report, 'utf8'),
  )
  return `${listReports(folder)}\n${found?.[1] ?? 'no verdict'}`
}

function reportsIn(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.html'))
  return names.map((name) => join(folder, name))
}

function readProfile<Profile>(folder: string, ending: string): Profile {
  const [name, ...others] = readdirSync(folder).filter((file) => file.endsWith(ending))
  if (name === undefined || others.length > 0)
    throw new Error(`${others.length + (name ? 1 : 0)} profiles in ${folder}`)
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as Profile
}

class Shares {
  total = 0
  readonly #byFunction = new Map<string, number>()
  readonly #byFile = new Map<string, number>()

  add({ functionName, url, lineNumber }: CallFrame, amount: number): void {
    const file = placeOf(url)
    const row = functionName === '' ? `(anonymous) | ${file}:${lineNumber + 1}` : `${functionName} | ${file}`
    add(this.#byFunction, row, amount)
    add(this.#byFile, file || 'native code', amount)
    this.total += amount
  }

  table(what: string): string {
    const lines = this.#largest(this.#byFunction, ROWS_MAX).map(
      ([row, amount]) => `| ${this.#share(amount)} | ${row} |`,
    )
    const files = this.#largest(this.#byFile, FILES_MAX).map(([file, amount]) => `${file} ${this.#share(amount)}`)
    const head = [`| ${what} | function | file |`, '| ---: | --- | --- |']
    return `${[...head, ...lines].join('\n')}\n\nBy file: ${files.join(', ')}.`
  }

  #largest(amounts: ReadonlyMap<string, number>, count: number): [string, number][] {
    const large = [...amounts].filter(([, amount]) => amount / this.total >= SHARE_MIN)
    return large.sort(([, one], [, other]) => other - one).slice(0, count)
  }

  #share(amount: number): string {
    return percent(amount / this.total)
  }
}

function add(amounts: Map<string, number>, key: string, amount: number): void {
  amounts.set(key, (amounts.get(key) ?? 0) + amount)
}

function placeOf(url: string): string {
  if (!url.startsWith('file:')) return url
  const path = relative(engineFolder, fileURLToPath(url))
  return path.startsWith('..') ? path.replace(/^.*\/(node_modules|tools)\//, '') : path
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
