/** What processes keep in memory: their own, and pages of files that they have mapped, which the system can take back. */
import { readFileSync } from 'node:fs'

export interface MemoryUse {
  readonly privateMb: number
  readonly mappedMb: number
}

/** Where the system does not tell the two apart, all of it counts as private. */
export function memoryUse(): MemoryUse {
  return memoryOf('self') ?? { privateMb: process.memoryUsage.rss() / 2 ** 20, mappedMb: 0 }
}

/** Of another process with all that it has started; null where the system does not tell. */
export function memoryOfFamily(pid: number): MemoryUse | null {
  const own = memoryOf(pid)
  if (own === null) return null
  return childrenOf(pid).reduce((total, child) => {
    const { privateMb = 0, mappedMb = 0 } = memoryOfFamily(child) ?? {}
    return { privateMb: total.privateMb + privateMb, mappedMb: total.mappedMb + mappedMb }
  }, own)
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

function memoryOf(pid: number | 'self'): MemoryUse | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) / 1024
    return { privateMb: field('RssAnon'), mappedMb: field('RssFile') + field('RssShmem') }
  } catch {
    return null
  }
}
