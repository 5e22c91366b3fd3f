/**
 * Loaded before the profiled process, it records with V8's own profilers: not the start and the warming up, and allocations also of
 * what is collected again, all of which Node's `--cpu-prof` and `--heap-prof` do otherwise. Writes a .cpuprofile or
 * .heapprofile into the current folder when the process ends. It is told by its own URL what to record: ?cpu or ?allocations.
 */
import { writeFileSync } from 'node:fs'
import { type HeapProfiler, type Profiler, Session } from 'node:inspector'

const WARM_UP_MS = 1000
/** Finer than V8's default of 1000. */
const CPU_INTERVAL_US = 250
const ALLOCATIONS = {
  samplingInterval: 16_384,
  includeObjectsCollectedByMajorGC: true,
  includeObjectsCollectedByMinorGC: true,
}

const session = new Session()

function start(): void {
  session.connect()
  if (new URL(import.meta.url).search === '?allocations') {
    session.post('HeapProfiler.startSampling', ALLOCATIONS)
    process.once('exit', () => session.post('HeapProfiler.stopSampling', save))
  } else {
    session.post('Profiler.enable')
    session.post('Profiler.setSamplingInterval', { interval: CPU_INTERVAL_US })
    session.post('Profiler.start')
    process.once('exit', () => session.post('Profiler.stop', save))
  }
}

/** Called before `post` returns. */
function save(error: Error | null, result: Profiler.StopReturnType | HeapProfiler.StopSamplingReturnType): void {
  if (error !== null) throw error
  const ending = 'nodes' in result.profile ? 'cpuprofile' : 'heapprofile'
  writeFileSync(`${process.pid}.${ending}`, JSON.stringify(result.profile))
}

setTimeout(start, WARM_UP_MS).unref()
