/* os_own.h - what the owners' checked mode asks of the system. As in os.h; none of it runs unless mode=checked
 * is on. */
#ifndef FH_OS_OWN_H
#define FH_OS_OWN_H

#include "os/os_unwind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Calls handler(address, registers) in the handler of SIGSEGV and SIGBUS, before whoever was there. When it
 * returns, the fault goes on to the handler that was there, or to the default. To be installed once. */
bool fh_os_on_fault(void (*handler)(uintptr_t address, const struct fh_os_registers *registers));

/* Calls hook when the process exits in order. */
bool fh_os_at_exit(void (*hook)(void));
bool fh_os_at_quick_exit(void (*hook)(void));
_Noreturn void fh_os_exit_now(int status);

/* A number for the calling thread that no other living thread has, the kernel's; whether a thread with that
 * number lives, which is true, too, where a sandbox forbids the question. */
uint64_t fh_os_thread(void);
bool fh_os_thread_lives(uint64_t thread);
bool fh_os_thread_is_main(uint64_t thread);

/* Where code stands, in words: "file.c:12 (function)" with the help of addr2line when that is there, else
 * "function+0x1a", else "module+0x11d9". Always writes something. */
void fh_os_describe_code(uintptr_t pc, char *text, size_t size);

/* Of the return addresses, from the inside out, the first in code of the program: not in the C library, and
 * neither in this one nor in what its headers write. The first of all when there is none. */
uintptr_t fh_os_program_code(const uintptr_t *pcs, unsigned count);

/* Calls look(from, to) for the writable data of the program and of each library it has loaded. */
void fh_os_each_data(void (*look)(const uintptr_t *from, const uintptr_t *to));

/* Bytes that nobody can guess; weaker ones where the system has none to give. */
void fh_os_random(void *to, size_t size);

#endif
