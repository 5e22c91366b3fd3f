/** The profilers: how each is put in front of the profiled process, and what it leaves. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { listReports, summarizeAllocations, summarizeCpu, summarizeDoctor } from './summary.js'

export interface Tool {
  readonly name: string
  /** In a line, for the usage. */
  readonly about: string
  /** Operations after which the profiled process ends, where more of them would be too much for the tool. */
  readonly operationsMax: number
  /** Arguments of `node` before the script, for results in `folder`. */
  args(folder: string): string[]
  /** @returns what the results say, or where they are */
  summarize(folder: string): string
}

/** Each leaves kilobytes of stack traces. */
const ASYNC_OPERATIONS_MAX = 2000

const CLINIC = join(createRequire(import.meta.url).resolve('clinic/package.json'), '../bin.js')
const RECORDER = pathToFileURL(join(import.meta.dirname, 'recorder.js')).href

function clinic(command: string, about: string, operationsMax = Number.POSITIVE_INFINITY): Tool {
  const args = (folder: string) => [CLINIC, command, '--open=false', '--dest', folder, '--', process.execPath]
  return { name: command, about: `${about} (clinic)`, operationsMax, args, summarize: listReports }
}

function recorded(name: string, about: string, summarize: Tool['summarize']): Tool {
  const args = () => ['--import', `${RECORDER}?${name}`]
  return { name, about: `${about} (V8's profiler)`, operationsMax: Number.POSITIVE_INFINITY, args, summarize }
}

const NONE: Tool = {
  name: 'none',
  about: 'no profiler: what the others cost',
  operationsMax: Number.POSITIVE_INFINITY,
  args: () => [],
  summarize: () => 'not profiled',
}

export const TOOLS: readonly Tool[] = [
  NONE,
  recorded('cpu', 'where processor time goes, as a table and as a .cpuprofile', summarizeCpu),
  recorded('allocations', 'who makes objects, as a table and as a .heapprofile', summarizeAllocations),
  {
    ...clinic('doctor', 'CPU, memory, event-loop delay and handles over time, with a verdict'),
    summarize: summarizeDoctor,
  },
  clinic('flame', 'flame graph of processor time'),
  clinic('bubbleprof', 'what asynchronous operations wait for', ASYNC_OPERATIONS_MAX),
  clinic('heapprofiler', 'who made what is still in memory at the end'),
]
