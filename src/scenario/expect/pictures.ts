// Pictures of screens, compared pixel by pixel with one that somebody has looked at.
import { ConfigError } from "../../core/errors.ts";

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Three bytes for each pixel, line by line. */
  readonly rgb: Uint8Array;
}
/** A part of a picture, in pixels. */
export interface Region {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** @throws {ConfigError} the picture does not have all of it. */
export function cut({ width, height, rgb }: Picture, region: Region): Picture {
  const { x, y, width: w, height: h } = region;
  if (![x, y, w, h].every((n) => Number.isSafeInteger(n) && n >= 0) || w === 0 || h === 0 || x + w > width || y + h > height) {
    throw new ConfigError(`the region ${w}x${h} at ${x},${y} is not in a picture of ${width}x${height}`);
  }
  const out = new Uint8Array(3 * w * h);
  for (let row = 0; row < h; row++) out.set(rgb.subarray(3 * ((y + row) * width + x), 3 * ((y + row) * width + x + w)), 3 * w * row);
  return { width: w, height: h, rgb: out };
}

export interface Difference {
  /** Pixels that differ in a colour by more than the tolerance; those that only one of both has are among them. */
  readonly pixels: number;
  /** The largest difference of a colour, and where the first one that counts is. */
  readonly most: number;
  readonly first: { readonly x: number; readonly y: number } | undefined;
  /** What is shown, paled, with the pixels that differ in red. */
  readonly picture: Picture;
}

export function compare(shown: Picture, golden: Picture, tolerance: number): Difference {
  const width = Math.max(shown.width, golden.width),
    height = Math.max(shown.height, golden.height),
    rgb = new Uint8Array(3 * width * height);
  const at = (p: Picture, x: number, y: number) => x < p.width && y < p.height ? 3 * (y * p.width + x) : -1;
  let pixels = 0, most = 0, first: Difference["first"];
  for (let y = 0, out = 0; y < height; y++) {
    for (let x = 0; x < width; x++, out += 3) {
      const a = at(shown, x, y), b = at(golden, x, y);
      let off = 255;
      if (a >= 0 && b >= 0) {
        off = 0;
        for (let c = 0; c < 3; c++) off = Math.max(off, Math.abs(shown.rgb[a + c] - golden.rgb[b + c]));
      }
      most = Math.max(most, off);
      if (off > tolerance) {
        pixels++;
        first ??= { x, y };
        rgb[out] = 255;
      } else {
        // Rec. 601 luma, paled.
        const { rgb: from } = a >= 0 ? shown : golden, i = a >= 0 ? a : b;
        rgb.fill(192 + ((from[i] * 77 + from[i + 1] * 150 + from[i + 2] * 29) >> 10), out, out + 3);
      }
    }
  }
  return { pixels, most, first, picture: { width, height, rgb } };
}

export async function encodePng({ width, height, rgb }: Picture): Promise<Uint8Array> {
  const { encode } = await import("npm:fast-png@8.0.0");
  return encode({ width, height, data: rgb, channels: 3, depth: 8 });
}

/** A picture of whatever kind, without what is transparent about it. @throws {ConfigError} it is no PNG that we can read. */
export async function decodePng(file: Uint8Array, path: string): Promise<Picture> {
  const { decode } = await import("npm:fast-png@8.0.0");
  let png: ReturnType<typeof decode>;
  try {
    png = decode(file);
  } catch (e) {
    throw new ConfigError(`it is no PNG picture: ${(e as Error).message}`, { file: path });
  }
  const { width, height, data, channels, depth, palette } = png, rgb = new Uint8Array(3 * width * height);
  if (depth !== 8 && depth !== 16) {
    throw new ConfigError(`PNG pictures of 8 or 16 bits for each colour are read, and this one has ${depth}`, { file: path });
  }
  const grey = channels < 3;
  for (let i = 0; i < width * height; i++) {
    const colours = palette ? palette[data[i * channels]] : undefined;
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = colours ? colours[c] : data[i * channels + (grey ? 0 : c)] >> (depth - 8);
  }
  return { width, height, rgb };
}
