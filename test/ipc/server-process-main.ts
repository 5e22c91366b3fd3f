/** A server in a process of its own, that answers nothing and says when it has got 3000 requests. */
import { WriterServer } from '../../ipc/server.js'
import { FakeHandler } from './fake-handler.js'

const [path = ''] = process.argv.slice(2)
const handler = new FakeHandler('held')
await WriterServer.start({ path, handler, log: () => {} })
process.send?.({ ready: true })
const timer = setInterval(() => {
  if (handler.heldCount < 3000) return
  clearInterval(timer)
  process.send?.({ submitted: handler.heldCount })
}, 5)
