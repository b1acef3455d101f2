/*
 * A dozing monitor. A container that is quiet needs nobody but a process that
 * notices when it is not any more: its monitor executes this program, which
 * stops here before Go begins, and holds a tenth of the memory. It is the same
 * process with the same children, open files and locks. At the first sign of
 * life it executes the monitor again (libpod/monitor/doze.go):
 *
 *   carob-monitor ── exec, _CAROB_DOZE ──▶ here: poll ── exec ──▶ carob-monitor
 *
 * _CAROB_DOZE is "PROGRAM TIMEOUT FD FD ... DIR": the descriptor of
 * carob-monitor's executable, the longest time to sleep in milliseconds or -1,
 * the descriptors to be waited for ('!' before one that tells by POLLPRI), and
 * the container's directory, which begins with a slash.
 *
 * SIGTERM and SIGHUP are handed on as the bits of _CAROB_CAUGHT. A SIGCHLD may
 * have gone to the monitor in its last moment; the ended child itself tells
 * then.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "join.h"

enum { MOST = 8 };

/* read_words takes _CAROB_DOZE apart; fds has room for MOST. Returns how many
 * there are; words is left at DIR. */
static int read_words(char **words, int *program, int *timeout, struct pollfd *fds)
{
	char *p = *words;
	int n = 0;

	*program = strtol(p, &p, 10);
	*timeout = strtol(p, &p, 10);
	for (; *p && *p != '/' && n < MOST; n++) {
		short events = POLLIN;

		while (*p == ' ')
			p++;
		if (*p == '/')
			break;
		if (*p == '!') {
			events = POLLPRI;
			p++;
		}
		fds[n].fd = strtol(p, &p, 10);
		fds[n].events = events;
	}
	*words = p;
	return n;
}

/* block blocks the signals that mean something and returns a descriptor that
 * tells of them. */
static int block(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int child_has_ended(void)
{
	siginfo_t ended = { 0 };

	return waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0;
}

/* hand_on leaves in the environment what came. What comes now is dropped until
 * the next program listens: Go's start would die of it. */
static void hand_on(int signals)
{
	static char caught[64] = "_CAROB_CAUGHT=";
	struct signalfd_siginfo one;
	unsigned long bits = 0;

	while (read(signals, &one, sizeof one) == sizeof one)
		bits |= 1UL << one.ssi_signo;
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	snprintf(caught + strlen(caught), 24, "%lu", bits);
	putenv(caught);
}

void carob_doze_main(char *words)
{
	struct pollfd fds[MOST + 1];
	int program, timeout, n = read_words(&words, &program, &timeout, fds);
	char *argv[] = { "carob-monitor", words, NULL };

	prctl(PR_SET_NAME, argv[0]);
	unsetenv("_CAROB_DOZE");
	fcntl(program, F_SETFD, FD_CLOEXEC);
	fds[n].fd = block();
	fds[n].events = POLLIN;
	if (fds[n].fd >= 0 && !child_has_ended())
		while (poll(fds, n + 1, timeout) < 0 && errno == EINTR)
			;
	hand_on(fds[n].fd);
	for (;;) {
		syscall(SYS_execveat, program, "", argv, environ, AT_EMPTY_PATH);
		poll(NULL, 0, 1000); /* out of memory, perhaps: it is tried again */
	}
}
