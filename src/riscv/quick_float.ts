// Arithmetic that turns out exact, on doubles: programs that compute with integral values never set NX, and would take the slow way for ever.
// Each function gives the result when it is exact (then it raises no flag, whatever the rounding), and NaN when it is not or cannot be told.
// Errors of sums and products by T. J. Dekker, "A floating-point technique for extending the available precision", Numer. Math. 18 (1971).

type Quick = (x: number, y: number, z: number) => number;

const SPLIT = 2 ** 27 + 1, SMALL = 2 ** -900, LARGE = 2 ** 900;
/** Far from where products overflow or lose bits. */
const moderate = (x: number) => Math.abs(x) > SMALL && Math.abs(x) < LARGE;

function sumError(x: number, y: number, sum: number): number {
  const second = sum - x;
  return (x - (sum - second)) + (y - second);
}
/** For moderate numbers with a moderate product. */
function productError(x: number, y: number, product: number): number {
  const s = SPLIT * x, t = SPLIT * y, xh = s - (s - x), yh = t - (t - y), xl = x - xh, yl = y - yh;
  return (((xh * yh - product) + xh * yl) + xl * yh) + xl * yl;
}
const isProduct = (x: number, y: number, product: number) =>
  moderate(x) && moderate(y) && moderate(product) && productError(x, y, product) === 0;

function add64(x: number, y: number): number {
  const sum = x + y;
  return sumError(x, y, sum) === 0 ? sum : NaN;
}
function mul64(x: number, y: number): number {
  const product = x * y;
  return x === 0 || y === 0 || isProduct(x, y, product) ? product : NaN;
}
function div64(x: number, y: number): number {
  const q = x / y;
  if (x === 0) return q;
  return q * y === x && isProduct(q, y, x) ? q : NaN;
}
function sqrt64(x: number): number {
  const r = Math.sqrt(x);
  return x === 0 || (r * r === x && isProduct(r, r, x)) ? r : NaN;
}

const single = (r: number) => Math.fround(r) === r ? r : NaN;
/** A double holds the product of two binary32 numbers, and twice their precision and more: rounding twice is rounding once. */
const add32 = (x: number, y: number) => single(add64(x, y));
const mul32 = (x: number, y: number) => single(x * y);
function div32(x: number, y: number): number {
  const q = Math.fround(x / y);
  return q * y === x ? q : NaN;
}
function sqrt32(x: number): number {
  const r = Math.fround(Math.sqrt(x));
  return r * r === x ? r : NaN;
}
/** x y + z, when the product is exact too. */
const fma64 = (x: number, y: number, z: number) => add64(mul64(x, y), z);
const fma32 = (x: number, y: number, z: number) => add32(x * y, z);

const family = (add: Quick, mul: Quick, div: Quick, sqrt: Quick, fma: Quick): Readonly<Record<string, Quick>> => ({
  fadd: add,
  fsub: (x, y, z) => add(x, -y, z),
  fmul: mul,
  fdiv: div,
  fsqrt: sqrt,
  fmadd: fma,
  fmsub: (x, y, z) => fma(x, y, -z),
  fnmsub: (x, y, z) => fma(-x, y, z),
  fnmadd: (x, y, z) => fma(-x, y, -z),
});

/** Functions by mnemonic without the format, for binary32 and binary64 operands in nearest-even rounding. */
export const QUICK32 = family(add32, mul32, div32, sqrt32, fma32);
export const QUICK64 = family(add64, mul64, div64, sqrt64, fma64);
