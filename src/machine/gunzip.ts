// gzip, loaded when an image turns out to be compressed: building a machine does not wait for anything, and few kernels are.

/** An image is compressed and `loadGunzip` has not been called. */
export class NeedsGunzip extends Error {
  override name = "NeedsGunzip";
}

let gunzipSync: ((data: Uint8Array) => Uint8Array) | undefined;

/** Makes `gunzip` work. */
export async function loadGunzip(): Promise<void> {
  gunzipSync ??= (await import("npm:fflate@0.8.3/browser")).gunzipSync;
}

/** @throws {NeedsGunzip} `loadGunzip` comes first. @throws {Error} damaged data. */
export function gunzip(data: Uint8Array): Uint8Array {
  if (!gunzipSync) throw new NeedsGunzip("loadGunzip comes first");
  return gunzipSync(data);
}
