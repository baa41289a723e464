/** What a case does around a call of a store: hold it up, fail it, note it, or end the process before or after it. */
export type Around<Store> = (
  method: keyof Store & string,
  call: () => Promise<unknown>,
  input: unknown,
) => Promise<unknown>

/** The store with every method led through `around`; properties stay, `fixed` ones are replaced. */
export function wrapStore<Store extends object>(store: Store, fixed: Partial<Store>, around: Around<Store>): Store {
  return new Proxy(store, {
    get(target, name) {
      if (Object.hasOwn(fixed, name)) return Reflect.get(fixed, name)
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      return (...input: unknown[]) =>
        around(name as keyof Store & string, () => Reflect.apply(member, target, input) as Promise<unknown>, input[0])
    },
  })
}
