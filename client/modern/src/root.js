// The global object, also of engines that have modules but no `globalThis`.

export const root = typeof self === 'object' ? self : typeof window === 'object' ? window : globalThis;
