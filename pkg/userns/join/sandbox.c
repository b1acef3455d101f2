/*
 * The sandbox: a pod's infra container. It is a process that does nothing but
 * exist, so that the namespaces which the pod's members share do. Like the
 * keeper it never enters Go and gives up its memory. It is started in its
 * namespaces (userns/sandbox draws how); the talk with who starts it:
 *
 *   sandbox                               command
 *   joins userns, sets the hostname
 *                 -- errno, 0 is good -->  writes the record
 *                 <-- byte --
 *   pause for ever
 *
 * An end of file instead of the byte means that the command died: the sandbox
 * goes too, so none lives without having been written down.
 *
 * The one descriptor it keeps is the pod's record file with the lock on it:
 * the lock is what tells everybody that the sandbox lives.
 *
 * As process 1 of a pid namespace it gets the orphans of all members. SIGCHLD
 * is ignored, which has the kernel reap them (sigaction(2), SA_NOCLDWAIT), and
 * as it has no handlers no signal from inside can end it (pid_namespaces(7)).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "join.h"

static int prepare(int userns)
{
	const char *hostname = getenv("_CAROB_HOSTNAME");

	if (userns >= 0 && (syscall(SYS_setns, userns, CLONE_NEWUSER) < 0 || setgid(0) < 0 || setuid(0) < 0))
		return errno;
	if (hostname && sethostname(hostname, strlen(hostname)) < 0)
		return errno;
	return 0;
}

void carob_sandbox_main(int talk, int record, int userns)
{
	sigset_t none;
	ssize_t n;
	char go;
	int err;

	prctl(PR_SET_NAME, "carob-pause");
	signal(SIGHUP, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	err = prepare(userns);
	if (write(talk, &err, sizeof err) != sizeof err || err != 0)
		_exit(1);
	do
		n = read(talk, &go, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1 || dup2(record, 0) != 0)
		_exit(1);
	carob_close_from(1);
	carob_rest();
}
