/** A process of role-lock.test.ts: takes a role when told to, and says what came of it. */
import { RoleLock } from '../../ipc/role-lock.js'
import { EndmarkError } from '../../src/errors.js'

let lock: RoleLock | null = null

process.on('message', async (order: { readonly take?: string; readonly release?: boolean }) => {
  if (order.take !== undefined) {
    try {
      lock = await RoleLock.acquire(order.take, 'writer', { onLost: () => process.send?.({ lost: true }) })
      process.send?.({ held: true })
    } catch (error) {
      process.send?.({
        held: false,
        code: error instanceof EndmarkError ? error.code : String(error),
        message: `${error}`,
      })
    }
  }
  if (order.release) {
    await lock?.release()
    process.send?.({ released: true })
  }
})
process.send?.({ ready: true })
