/*
 * The sandbox: a pod's infra container. It is a process that does nothing but
 * exist, so that the namespaces which the pod's members share do. Like the
 * keeper it never enters Go and gives up its memory. It is started in its
 * namespaces (userns/sandbox draws how); the talk with who starts it:
 *
 *   sandbox                               command
 *   joins userns, sets the hostname,
 *   locks itself into an empty directory
 *                 -- errno, 0 is good -->  puts it into the pod's control group
 *                 <-- 'c' --               (if that is to be the top of what
 *   new cgroup namespace                    members see of the hierarchy)
 *                 -- errno, 0 is good -->  writes the record
 *                 <-- 'g' --
 *   gives up its capabilities
 *                 -- errno, 0 is good -->
 *   pause for ever
 *
 * An end of file instead of the 'g' means that the command died: the sandbox
 * goes too, so none lives without having been written down.
 *
 * The one descriptor it keeps is the pod's record file with the lock on it:
 * the lock is what tells everybody that the sandbox lives.
 *
 * Members that share its pid namespace see it, and with CAP_SYS_PTRACE reach
 * into /proc/1: all there is to find is an empty directory, and a process
 * without capabilities.
 *
 * As process 1 of a pid namespace it gets the orphans of all members. SIGCHLD
 * is ignored, which has the kernel reap them (sigaction(2), SA_NOCLDWAIT), and
 * as it has no handlers no signal from inside can end it (pid_namespaces(7)).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "join.h"

/* forsake gives up all capabilities, for good. */
static int forsake(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return syscall(SYS_capset, &header, none);
}

static int prepare(int root, int userns)
{
	const char *hostname = getenv("_CAROB_HOSTNAME");

	if (userns >= 0 && (syscall(SYS_setns, userns, CLONE_NEWUSER) < 0 || setgid(0) < 0 || setuid(0) < 0))
		return errno;
	if (hostname && sethostname(hostname, strlen(hostname)) < 0)
		return errno;
	if (fchdir(root) < 0 || chroot(".") < 0)
		return errno;
	return 0;
}

/* Does what the command says until that is to go on alone. */
static int listen_to(int talk)
{
	ssize_t n;
	char word;
	int err;

	for (;;) {
		do
			n = read(talk, &word, 1);
		while (n < 0 && errno == EINTR);
		if (n != 1)
			return -1;
		err = (word == 'g' ? forsake() : unshare(CLONE_NEWCGROUP)) < 0 ? errno : 0;
		if (write(talk, &err, sizeof err) != sizeof err || err != 0)
			return -1;
		if (word == 'g')
			return 0;
	}
}

void carob_sandbox_main(int talk, int record, int root, int userns)
{
	sigset_t none;
	int err;

	prctl(PR_SET_NAME, "carob-pause");
	signal(SIGHUP, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	err = prepare(root, userns);
	if (write(talk, &err, sizeof err) != sizeof err || err != 0)
		_exit(1);
	if (listen_to(talk) < 0 || dup2(record, 0) != 0)
		_exit(1);
	carob_close_from(1);
	carob_rest();
}
