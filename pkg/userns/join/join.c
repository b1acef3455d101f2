/*
 * Joining the keeper's namespaces before the Go runtime starts.
 *
 * setns(2) into a user namespace is refused to a process with more than one
 * thread, and a Go program has threads before its first line runs. A
 * constructor runs earlier, while the process is still single-threaded, so a
 * carob command costs no second exec.
 *
 * The way:
 *
 *   effective uid 0?            nothing to do: real root, or already inside
 *                               (rejoin: but in a container's mount namespace)
 *   read RUNDIR/carob/keeper    "PID STARTTIME BOOTID\n", a file of our own
 *   pidfd_open(PID)             from here on PID cannot become another process
 *   boot id, /proc/PID/stat     the record is of this boot and of that process
 *   setns(pidfd, user+mnt)      one call: either both are joined or none
 *   chdir back                  setns moved us to the root directory
 *
 * Whatever fails before setns leaves the process as it was; Go then sees an
 * effective uid other than 0 and takes the slow way (package userns).
 * Nothing here opens a descriptor that survives, and none that was inherited
 * is touched.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "join.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

struct carob_join carob_join;

/* read_line reads a short file of ours (or the kernel's) into buf and cuts it
 * at the first newline. Returns 0, or -1. */
static int read_line(const char *path, int owner, char *buf, size_t size)
{
	struct stat st;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return -1;
	if (owner >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != (uid_t)owner)) {
		close(fd);
		return -1;
	}
	n = read(fd, buf, size - 1);
	close(fd);
	if (n <= 0)
		return -1;
	buf[n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return 0;
}

/* runtime_dir finds the runtime directory of user me, whose uid here is owner,
 * by the rule that userns.RuntimeDir follows too: one change, two places. */
static int runtime_dir(uid_t me, uid_t owner, char *buf, size_t size)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (xdg && xdg[0] == '/' && strlen(xdg) < size && stat(xdg, &st) == 0 &&
	    S_ISDIR(st.st_mode) && st.st_uid == owner) {
		strcpy(buf, xdg);
		return 0;
	}
	snprintf(buf, size, "/run/user/%u", me);
	if (stat(buf, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == owner)
		return 0;
	snprintf(buf, size, "/tmp/carob-run-%u", me);
	if (lstat(buf, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == owner && (st.st_mode & 077) == 0)
		return 0;
	return -1;
}

/* is_keeper tells whether the process PID is a living carob-keeper that
 * started at START (field 22 of /proc/PID/stat, proc(5)). */
static int is_keeper(int pid, unsigned long long start)
{
	char path[64], stat[512], *p, state;
	unsigned long long started;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	if (read_line(path, -1, stat, sizeof stat) < 0)
		return 0;
	p = strrchr(stat, ')');
	if (!p || !strstr(stat, "(carob-keeper)"))
		return 0;
	if (sscanf(p + 2, "%c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &state, &started) != 2)
		return 0;
	return state != 'Z' && state != 'X' && started == start;
}

/* find_keeper returns a pidfd of the live keeper of user me, whose uid here is
 * owner, or -1. */
static int find_keeper(uid_t me, uid_t owner)
{
	char path[PATH_MAX + 16], line[128], boot[64], recorded_boot[64];
	unsigned long long start;
	int pid, pidfd;

	if (runtime_dir(me, owner, path, PATH_MAX) < 0)
		return -1;
	strcat(path, "/carob/keeper");
	if (read_line(path, owner, line, sizeof line) < 0)
		return -1;
	if (sscanf(line, "%d %llu %63s", &pid, &start, recorded_boot) != 3 || pid <= 1)
		return -1;
	if (read_line("/proc/sys/kernel/random/boot_id", -1, boot, sizeof boot) < 0 ||
	    strcmp(boot, recorded_boot) != 0)
		return -1;
	pidfd = syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */
	if (pidfd >= 0 && !is_keeper(pid, start)) {
		close(pidfd);
		return -1;
	}
	return pidfd;
}

/* go_back returns to the directory we were in. Its path may mean another
 * directory in the keeper's mount namespace (something was mounted since):
 * then the directory itself is kept, by its descriptor. */
static void go_back(const char *cwd, int old)
{
	struct stat was, is;

	if (cwd && chdir(cwd) == 0 && fstat(old, &was) == 0 && stat(".", &is) == 0 &&
	    was.st_dev == is.st_dev && was.st_ino == is.st_ino)
		return;
	if (old >= 0 && fchdir(old) == 0)
		return;
	if (cwd && chdir(cwd) == 0)
		return;
	/* Neither can be entered; the root directory is where setns put us. */
}

static void join(void)
{
	char cwd[PATH_MAX];
	const char *dir;
	int old, pidfd = find_keeper(carob_join.uid, carob_join.uid);

	if (pidfd < 0)
		return;
	carob_join.found = 1;
	old = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	dir = getcwd(cwd, sizeof cwd);
	if (syscall(SYS_setns, pidfd, CLONE_NEWUSER | CLONE_NEWNS) == 0) {
		go_back(dir, old);
		carob_join.joined = 1;
	} else {
		carob_join.err = errno;
	}
	if (old >= 0)
		close(old);
	close(pidfd);
}

/* rejoin is for a command that a monitor started. It is inside already, but in
 * the mount namespace of one container, where it could neither unmount a volume
 * for all nor mount one that others see: it goes to the keeper's. Without a
 * keeper it stays. */
static void rejoin(const char *outside)
{
	int pidfd = find_keeper(strtoul(outside, NULL, 10), 0);

	if (pidfd < 0)
		return;
	if (syscall(SYS_setns, pidfd, CLONE_NEWNS) < 0)
		carob_join.err = errno;
	close(pidfd);
}

__attribute__((constructor)) static void carob_constructor(void)
{
	const char *keeper = getenv("_CAROB_KEEPER"), *sandbox = getenv("_CAROB_SANDBOX");
	const char *outside = getenv("_CONTAINERS_ROOTLESS_UID");
	char *doze = getenv("_CAROB_DOZE");
	int sock, record, root, userns, saved = errno;

	if (keeper && sscanf(keeper, "%d %d", &sock, &userns) == 2)
		carob_keeper_main(sock, userns); /* does not return */
	if (sandbox && sscanf(sandbox, "%d %d %d %d", &sock, &record, &root, &userns) == 4)
		carob_sandbox_main(sock, record, root, userns); /* nor does this */
	if (doze)
		carob_doze_main(doze); /* it executes another program */
	carob_join.uid = geteuid();
	carob_join.gid = getegid();
	if (carob_join.uid != 0)
		join();
	else if (outside && getenv("_CAROB_MONITORED"))
		rejoin(outside);
	unsetenv("_CAROB_MONITORED");
	errno = saved;
}
