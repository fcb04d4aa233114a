import { PATIENCE } from './log.mjs';

/** Resolves with what a check gives, which is tried again for a while as long as it fails: what is asked may overtake what was said before. */
export async function eventually(check) {
  for (const end = Date.now() + PATIENCE; ; ) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
