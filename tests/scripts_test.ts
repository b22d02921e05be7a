// Every example script is a test.
import "../scripts/hello.ts";
import "../scripts/linux.ts";
import "../scripts/shell.ts";
import "../scripts/typing.ts";
