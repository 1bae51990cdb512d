/* A value outside of React that components can watch. */
import { useSyncExternalStore } from 'react';

export class Store<T> {
  private readonly listeners = new Set<() => void>();
  constructor(private value: T) {}
  readonly get = () => this.value;
  readonly watch = (listener: () => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };
  set(value: T) {
    if (Object.is(value, this.value)) return;
    this.value = value;
    for (const listener of [...this.listeners]) listener();
  }
  update(change: (value: T) => T) {
    this.set(change(this.value));
  }
}

export const useStore = <T,>(store: Store<T>): T => useSyncExternalStore(store.watch, store.get);
