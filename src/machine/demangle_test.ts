import { assert, assertEquals } from "@std/assert";
import { demangle, withoutGenerics } from "./demangle.ts";

/** Names and what they stand for. */
const NAMES: readonly [mangled: string, name: string][] = [
  // RFC 2603's own examples ("Guide-level explanation", "Compression/Substitution"); its impl paths are those of the final grammar,
  // and its last back reference is meant to be one further on.
  ["_RNCNvNtC7mycrate3foo3bar0", "mycrate::foo::bar::{closure#0}"],
  ["_RNCNvNtC7mycrate3foo3bars_0", "mycrate::foo::bar::{closure#1}"],
  ["_RNvNvXs2_C7mycrateINtC7mycrate3FoopEINtNtC3std7convert4FrompE4from3MSG", "<mycrate::Foo<_> as std::convert::From<_>>::from::MSG"],
  ["_RNvNvXs3_C7mycrateINtC7mycrate3FoopEINtNtC3std7convert4FrompE4from3MSG", "<mycrate::Foo<_> as std::convert::From<_>>::from::MSG"],
  ["_RNvMC7mycrateINtC7mycrate3FoomE3foo", "<mycrate::Foo<u32>>::foo"],
  ["_RNvXC7mycratemNtC7mycrate3Foo3foo", "<u32 as mycrate::Foo>::foo"],
  ["_RNvNtNtC7mycrateu8gdel_5qa6escher4bach", "mycrate::gödel::escher::bach"],
  [
    "_RINtNtC3std4iter5ChainINtNtC3std4iter3ZipINtNtC3std3vec8IntoItermEINtNtC3std3vec8IntoItermEEE",
    "std::iter::Chain::<std::iter::Zip<std::vec::IntoIter<u32>, std::vec::IntoIter<u32>>>",
  ],
  [
    "_RINtNtC3std4iter5ChainINtB2_3ZipINtNtB4_3vec8IntoItermEBu_EE",
    "std::iter::Chain::<std::iter::Zip<std::vec::IntoIter<u32>, std::vec::IntoIter<u32>>>",
  ],
  // rustc 1.96's, from a program of ours; each as llvm-cxxfilt shows it.
  ["_RINvCsdrcVig15qaX_1a2cbKb0_Kc27_Ka7_EB2_", "a::cb::<false, '\\'', 7>"],
  ["_RINvCsdrcVig15qaX_1a2cbKb1_Kc78_Kan5_EB2_", "a::cb::<true, 'x', -5>"],
  ["_RINvCsdrcVig15qaX_1a3genAnj4_EB2_", "a::gen::<[i128; 4]>"],
  ["_RINvCsdrcVig15qaX_1a3genFKCmEmEB2_", 'a::gen::<extern "C" fn(u32) -> u32>'],
  ["_RINvCsdrcVig15qaX_1a3genFUKCPhOShEzEB2_", 'a::gen::<unsafe extern "C" fn(*const u8, *mut [u8]) -> !>'],
  [
    "_RINvCsdrcVig15qaX_1a3genINtNtCscoScM8QT1vH_4core6option6OptionFG0_RL1_hRL0_tERL1_hEEB2_",
    "a::gen::<core::option::Option<for<'a, 'b> fn(&'a u8, &'b u16) -> &'a u8>>",
  ],
  [
    "_RINvCsdrcVig15qaX_1a3genINtNtCscoScM8QT1vH_4core6option6OptionINtNtCs9jvVb34GBdE_5alloc5boxed3BoxDNtNtNtNtBr_4iter6traits8iterator8Iteratorp4ItemhNtNtBr_6marker4SendEL_EEEB2_",
    "a::gen::<core::option::Option<alloc::boxed::Box<dyn core::iter::traits::iterator::Iterator<Item = u8> + core::marker::Send>>>",
  ],
  ["_RINvCsdrcVig15qaX_1a3genQfEB2_", "a::gen::<&mut f32>"],
  ["_RINvCsdrcVig15qaX_1a3genThEEB2_", "a::gen::<(u8,)>"],
  ["_RINvCsdrcVig15qaX_1a3genuEB2_", "a::gen::<()>"],
  ["_RNCNvNtNtCsdrcVig15qaX_1au8gdel_5qa6escher4bachs_0B7_", "a::gödel::escher::bach::{closure#1}"],
  ["_RNvCsfgHYwM92fyn_7___rustc35___rust_no_alloc_shim_is_unstable_v2", "__rustc::__rust_no_alloc_shim_is_unstable_v2"],
  ["_RNvNtNtCsll8UG4dV9RX_3std2io5stdio19OUTPUT_CAPTURE_USED.0", "std::io::stdio::OUTPUT_CAPTURE_USED"],
  ["_RNvC1a4main.llvm.8532", "a::main"],
  // Constants of other types: "v0 Symbol Format", const.
  ["_RIC1fKRe616263_E", 'f::<"abc">'],
  ["_RIC1fKRAtj7_j8_EE", "_RIC1fKRAtj7_j8_EE"],
  ["_RIC1fKRAj7_j8_EE", "f::<{&[7, 8]}>"],
  ["_RIC1fKTj1_b1_EE", "f::<{(1, true)}>"],
  ["_RIC1fKVNtC1a1STj1_EE", "f::<{a::S(1)}>"],
  ["_RIC1fKVNtC1a1SS1xj1_EE", "f::<{a::S { x: 1 }}>"],
  ["_RIC1fKVNtC1a1SUE", "f::<{a::S}>"],
  // Legacy, and C++.
  ["_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write"],
  ["_ZN4core3fmt5write17h0123456789abcdefE.llvm.1234567890", "core::fmt::write"],
  ["_ZN36_$LT$T$u20$as$u20$core..any..Any$GT$7type_id17h0123456789abcdefE", "<T as core::any::Any>::type_id"],
  ["_ZN3foo28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE", "foo::{{closure}}"],
  ["_ZN6kernel5utils5printEPKc", "kernel::utils::print"],
  ["_ZNK6kernel4Disk4readEv", "kernel::Disk::read"],
  ["_Z5panicPKcz", "panic"],
  ["_ZN3fooIiE3barEv", "_ZN3fooIiE3barEv"],
  ["_Z3fooIiEvT_", "_Z3fooIiEvT_"],
  ["_ZN6kernelC1Ev", "_ZN6kernelC1Ev"],
  ["main", "main"],
  ["_start.end", "_start.end"],
  ["_R", "_R"],
  ["_Z", "_Z"],
];

Deno.test("names of Rust, v0 and legacy, and plain ones of C++", () => {
  for (const [mangled, name] of NAMES) assertEquals(demangle(mangled), name, mangled);
});

Deno.test("with what tells two of one name apart", () => {
  assertEquals(demangle("_ZN4core3fmt5write17h0123456789abcdefE", true), "core::fmt::write::h0123456789abcdef");
  assertEquals(demangle("_RNvNtCs1234_7mycrate3foo3bar", true), "mycrate[3c1c0]::foo::bar");
});

Deno.test("generic arguments can be left out", () => {
  for (
    const [path, plain] of [
      ["a::f::<u8, [b::S<c>; 3]>", "a::f"],
      ["a::f::<u8>::{closure#0}", "a::f::{closure#0}"],
      ["a::S<u8>::f", "a::S::f"],
      ["<a::S<u8> as b::T<c>>::f::<fn(u8) -> u8>", "<a::S as b::T>::f"],
      ["a::f", "a::f"],
      ["operator<", "operator<"],
    ]
  ) assertEquals(withoutGenerics(path), plain, path);
});

Deno.test("hostile names stay as they are, in no time", () => {
  const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const base62 = (n: number): string => n < 62 ? digits[n] : base62(Math.floor(n / 62)) + digits[n % 62];
  const doubling = (first: string, next: (before: string) => string) => {
    let text = "INvC1a1f", before = text.length;
    text += first;
    for (let i = 0; i < 22; i++) {
      const at = text.length;
      text += next(`${base62(before - 1)}_`);
      before = at;
    }
    return `_R${text}E`;
  };
  const hostile = [
    "_R" + "S".repeat(100_000),
    "_RINvC1a1f" + "R".repeat(50_000) + "uE",
    "_RNv".repeat(20_000),
    "_RNvC99999999999999999999a",
    "_RNvC1a" + "9".repeat(5000),
    "_RB_",
    "_RNvB0_1a",
    "_RINvC1a1fB99999999999_E",
    // Each argument holds the one before it twice: in its text, and in a part that is not shown.
    doubling("TuuE", (before) => `TB${before}B${before}E`),
    doubling("MC1au", (before) => `MIC1aB${before}B${before}Eu`),
    // A long name, again and again.
    `_RINvC1a1fTC50000${"a".repeat(50_000)}${"B8_".repeat(300)}EE`,
    // A back reference to what comes later.
    "_RINvC1a1fBb_uuE",
    "_RINvC1a1fT" + "B7_".repeat(3000) + "EE",
    "_RINvC1a1fFGzzzzzzzzz_EuE",
    "_RINvC1a1fKc110000_E",
    "_RINvC1a1fKj" + "f".repeat(100_000),
    "_RNvC1au9999_",
    "_RNvC1au5abcz9",
    "_ZN" + "1a".repeat(50_000),
    "_ZN" + "9".repeat(50_000) + "E",
    "_ZN99999a17h0123456789abcdefE",
  ];
  const start = performance.now();
  for (const name of hostile) assertEquals(demangle(name), name, name.slice(0, 40));
  assert(performance.now() - start < 500);
  // Whatever bytes come.
  let x = 1;
  for (let i = 0; i < 20_000; i++) {
    let name = "_R";
    for (let n = 0; n < 24; n++) name += "NvCtMXYIEKLGRQPOFDASTBCab0129_snup"[(x = Math.imul(x, 1103515245) + 12345 >>> 0) >>> 16 & 31];
    demangle(name);
    demangle("_ZN" + name.slice(2));
  }
});
