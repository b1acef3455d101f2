#ifndef CAROB_JOIN_H
#define CAROB_JOIN_H

/* What the constructor did; see join.go. */
struct carob_join {
	int joined;       /* 1: we are inside the keeper's namespaces */
	unsigned uid;     /* the ids we had outside */
	unsigned gid;
	int found;        /* 1: there was a record of a live keeper */
	int err;          /* errno of the setns that failed, 0 otherwise */
};

extern struct carob_join carob_join;

void carob_keeper_main(int sock, int userns);
void carob_sandbox_main(int talk, int record, int root, int userns);
void carob_doze_main(char *words) __attribute__((noreturn));

/* Shared by the two: see keeper.c. */
void carob_close_from(int first);
void carob_rest(void) __attribute__((noreturn));

#endif
