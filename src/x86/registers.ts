// Bits of the system registers: RFLAGS, CR0, CR4, EFER, DR6 and DR7.

/** Bits of RFLAGS (SDM volume 1, 3.4.3). */
export const CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, TF = 0x100, IF = 0x200, DF = 0x400, OF = 0x800, IOPL = 0x3000, NT = 0x4000;
export const RF = 0x1_0000, VM = 0x2_0000, AC = 0x4_0000, VIF = 0x8_0000, VIP = 0x10_0000, ID = 0x20_0000;
export const STATUS = CF | PF | AF | ZF | SF | OF;
/** What IRET and POPF may change at any privilege, the status flags included; what SYSRET takes from R11. */
export const FLAGS_ANY = STATUS | TF | DF | NT | AC | ID, SYSRET_FLAGS = FLAGS_ANY | RF | IF | IOPL | VIF | VIP;
/** CR0, CR4, EFER (SDM 2.5, 2.2.1). */
export const CR0_PE = 1, CR0_MP = 2, CR0_EM = 4, CR0_TS = 8, CR0_ET = 0x10, CR0_NE = 0x20, CR0_WP = 0x1_0000, CR0_AM = 0x4_0000;
export const CR0_NW = 0x2000_0000, CR0_CD = 0x4000_0000, CR0_PG = 0x8000_0000 | 0;
export const CR4_TSD = 4, CR4_DE = 8, CR4_PSE = 0x10, CR4_PAE = 0x20, CR4_PGE = 0x80, CR4_PCE = 0x100, CR4_OSFXSR = 0x200;
export const CR4_OSXMMEXCPT = 0x400, CR4_UMIP = 0x800, CR4_LA57 = 0x1000, CR4_FSGSBASE = 0x1_0000, CR4_PCIDE = 0x2_0000;
export const CR4_OSXSAVE = 0x4_0000;
export const CR4_SMEP = 0x10_0000, CR4_SMAP = 0x20_0000, CR4_PKE = 0x40_0000, CR4_PKS = 0x100_0000;
export const EFER_SCE = 1, EFER_LME = 0x100, EFER_LMA = 0x400, EFER_NXE = 0x800;
/** DR6 and DR7 (SDM volume 3B, 17.2). */
export const DR6_FIXED = 0xffff_0ff0 | 0, DR6_BD = 0x2000, DR6_BS = 0x4000, DR6_BT = 0x8000, DR7_FIXED = 0x400, DR7_GD = 0x2000;
