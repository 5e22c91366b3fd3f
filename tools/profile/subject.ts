/** The profiled process: does one workload on a database, says on stderr how much of it that was, and ends. */
import { WORKLOADS } from './workloads/index.js'

const [name, path = '', rowCount, secondsMax, operationsMax] = process.argv.slice(2)
const workload = WORKLOADS.find((each) => each.name === name)
if (workload === undefined) throw new Error(`there is no workload ${name}`)

// The tool has done its part: a process that this one starts is not to be recorded too, over the results of this one.
delete process.env.NODE_OPTIONS

const usageBefore = process.cpuUsage()
const startMs = performance.now()
const endMs = startMs + Number(secondsMax) * 1000
const operations = await workload.run(path, {
  rowCount: Number(rowCount),
  isOver: (count) => count >= Number(operationsMax) || performance.now() >= endMs,
})
const seconds = (performance.now() - startMs) / 1000
const { user, system } = process.cpuUsage(usageBefore)
const rate = `${operations} operations in ${seconds.toFixed(2)} s, ${Math.round(operations / seconds)}/s`
process.stderr.write(`${rate}; ${((user + system) / operations).toFixed(2)} us of processor time for each\n`)
