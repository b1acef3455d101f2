/*
 * The keeper: a process that does nothing but exist, so that its user and
 * mount namespace do. It never enters Go; it has no descriptor open, its
 * directory is /, and it is nobody's child but init's.
 *
 * Its making is a talk over a socket with the carob command that started it
 * (userns/keeper.go). Every message from here is three ints: step, pid, errno;
 * every answer is one byte:
 *
 *   keeper                                command
 *   fork, setsid, unshare(user)
 *                 -- MADE, pid -->        newuidmap, newgidmap
 *                 <-- byte --
 *   unshare(mnt), mounts slave, /
 *                 -- READY, pid -->       writes the record
 *                 <-- byte --
 *   pause for ever
 *
 * When the namespace of a lost keeper is still alive in some monitor, userns is
 * a descriptor of it: it is joined instead of made, and MADE is left out. The
 * mount namespace is always made anew from the user's own: nothing that was
 * mounted for a container comes along and stays pinned.
 * An end of file at any point means the command died: the keeper goes too, so
 * no keeper lives without having been written down.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "join.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* Steps, as in keeper.go. */
enum { MADE = 1, READY = 2, E_USERNS = -1, E_MOUNTNS = -2, E_JOIN = -3, E_FORK = -4 };

static void tell(int sock, int step, int err)
{
	int message[3] = { step, getpid(), err };

	if (write(sock, message, sizeof message) != sizeof message || step < 0)
		_exit(1);
}

static void await(int sock)
{
	char go;
	ssize_t n;

	do
		n = read(sock, &go, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(1);
}

/* carob_close_from closes every descriptor from first on. */
void carob_close_from(int first)
{
	struct rlimit lim;

	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return;
	if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur > 65536)
		lim.rlim_cur = 65536;
	for (rlim_t fd = first; fd < lim.rlim_cur; fd++)
		close(fd);
}

/* get_namespaces enters the user namespace, then a mount namespace of its own
 * made from the one the user is in. The kernel makes every mount that comes
 * into a less privileged user namespace a slave of the original; asking for it
 * says so where a reader looks. */
static void get_namespaces(int sock, int userns)
{
	if (userns >= 0) {
		if (syscall(SYS_setns, userns, CLONE_NEWUSER) < 0)
			tell(sock, E_JOIN, errno);
	} else {
		if (unshare(CLONE_NEWUSER) < 0)
			tell(sock, E_USERNS, errno);
		tell(sock, MADE, 0);
		await(sock);
	}
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		tell(sock, E_MOUNTNS, errno);
}

/* glibc's (2.35 and newer): not 0 when the kernel writes into this thread's
 * memory at every switch, rseq(2). Unmapping that would kill us. */
extern const unsigned int __rseq_size __attribute__((weak));

/* rest waits for ever, holding as little memory as can be: all that lies below
 * the current page of the stack is unmapped, but for the one page with these
 * few instructions. The stack stays, ps reads the command line from it. No
 * signal has a handler, so nothing will ever want the rest back. */
__attribute__((aligned(4096), noinline, noreturn)) static void rest(uintptr_t page, uintptr_t size, uintptr_t top)
{
#if defined(__x86_64__)
	__asm__ volatile(
		"mov %0, %%r12; mov %1, %%r13; mov %2, %%r14\n"
		"mov $11, %%eax; xor %%edi, %%edi; mov %%r12, %%rsi; syscall\n" /* munmap(0, page) */
		"mov $11, %%eax; lea (%%r12,%%r13), %%rdi; mov %%r14, %%rsi; sub %%rdi, %%rsi; syscall\n"
		"1: mov $34, %%eax; syscall; jmp 1b\n" /* pause() */
		: : "r"(page), "r"(size), "r"(top)
		: "rax", "rdi", "rsi", "rcx", "r11", "r12", "r13", "r14", "memory");
#elif defined(__aarch64__)
	__asm__ volatile(
		"mov x19, %0; mov x20, %1; mov x21, %2\n"
		"mov x8, #215; mov x0, #0; mov x1, x19; svc #0\n" /* munmap(0, page) */
		"mov x8, #215; add x0, x19, x20; sub x1, x21, x0; svc #0\n"
		"1: mov x8, #73; mov x0, #0; mov x1, #0; mov x2, #0; mov x3, #0; svc #0; b 1b\n" /* ppoll() */
		: : "r"(page), "r"(size), "r"(top)
		: "x0", "x1", "x2", "x3", "x8", "x19", "x20", "x21", "memory");
#else
	(void)page, (void)size, (void)top;
#endif
	for (;;)
		pause();
}

/* carob_rest gives up the memory and waits until it is killed. */
void carob_rest(void)
{
	uintptr_t size = sysconf(_SC_PAGESIZE);
	int here;

	while (&__rseq_size && __rseq_size != 0)
		pause();
	rest((uintptr_t)rest & ~(size - 1), size, (uintptr_t)&here & ~(size - 1));
}

void carob_keeper_main(int sock, int userns)
{
	sigset_t none;
	pid_t pid = fork();

	if (pid < 0)
		tell(sock, E_FORK, errno);
	if (pid != 0)
		_exit(0);
	setsid();
	prctl(PR_SET_NAME, "carob-keeper");
	signal(SIGHUP, SIG_IGN); /* a terminal that goes away is nothing to us */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	get_namespaces(sock, userns);
	if (chdir("/") < 0)
		tell(sock, E_MOUNTNS, errno);
	tell(sock, READY, 0);
	await(sock);
	carob_close_from(0);
	carob_rest();
}
