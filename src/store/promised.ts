/** What an async function does about errors, without the promises it makes: for calls whose promise is made further down. */
export function promised<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call()
  } catch (error) {
    return Promise.reject(error)
  }
}
