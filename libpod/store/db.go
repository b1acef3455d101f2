package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/mattn/go-sqlite3"
)

// ErrNotFound says that no object has that name or ID.
var ErrNotFound = errors.New("no such object")

// ErrExists says that the name is taken.
var ErrExists = errors.New("name is in use")

// ErrNeeded says that something cannot go because something else needs it, or
// cannot come because what it needs is gone.
var ErrNeeded = errors.New("something needs it, or what it needs is gone")

// DB is the database of what was asked for. Everything that changes goes
// through Update: one short transaction per command.
type DB struct {
	sql *sql.DB
	log string // path of the write-ahead log

	settling settling
}

// OpenDB opens the database, making it and bringing its schema up to date
// when needed.
//
// WAL with synchronous=NORMAL never fsyncs on commit: a power cut may take the
// last seconds of commits, never the consistency; Settle is for those that it
// must not take. The 60 s busy timeout is for
// many commands at once; docs/decisions/0003 has the measurements.
func OpenDB(path string) (*DB, error) { return open(path, migrations()) }

// open is OpenDB for a carob that knows these migrations.
func open(path string, known []string) (*DB, error) {
	at := url.URL{Path: path} // with % ? and # as they are written in addresses
	dsn := "file:" + at.EscapedPath() + "?_txlock=immediate&_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=" + busyTimeout + "&_foreign_keys=1"
	db, err := sql.Open("sqlite3", dsn)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	d := &DB{sql: db, log: path + "-wal"}
	if _, err := db.Exec("PRAGMA wal_autocheckpoint = 0"); err != nil {
		db.Close()
		return nil, fmt.Errorf("cannot use the state in %s: %w", path, sqlError(err))
	}
	if err := d.migrate(known); err != nil {
		db.Close()
		return nil, fmt.Errorf("cannot use the state in %s: %w", path, err)
	}
	return d, nil
}

// longLog is the size in bytes, of about 64 pages, from which on the log is
// written into the database and cut. The first command after all others have
// ended reads the whole log again: that takes 0.3 ms for 64 pages, and would
// take 5 ms for the 1000 that SQLite lets come together. A checkpoint costs two
// fsyncs, once in about ten commands.
const longLog = 64 * (4096 + 24)

// checkpoint cuts a log that has become long. SQLite's own checkpoints do not:
// they leave it to the next writer to begin it anew, and that one does not know
// of them when it is another process and nobody was there in between, so that
// commands of one transaction each would let the log grow forever. One that
// somebody reads is left to a later command.
func (d *DB) checkpoint() {
	if fi, err := os.Lstat(d.log); err != nil || fi.Size() < longLog {
		return
	}
	_, _ = d.sql.Exec("PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)")
	_, _ = d.sql.Exec("PRAGMA busy_timeout = " + busyTimeout) // also where the disk was full
}

// busyTimeout is how many milliseconds a command waits for others.
const busyTimeout = "60000"

// Close ends the connection. A command that is about to exit need not call
// it: the last close would checkpoint the log, which costs an fsync.
func (d *DB) Close() error { return d.sql.Close() }

// Update runs f in one transaction that holds the write lock from the start.
func (d *DB) Update(ctx context.Context, f func(*Tx) error) error {
	tx, err := d.sql.BeginTx(ctx, nil)
	if err != nil {
		return sqlError(err)
	}
	t := &Tx{tx: tx, ctx: ctx}
	if err := f(t); err != nil {
		tx.Rollback()
		return err
	}
	if err := tx.Commit(); err != nil {
		return sqlError(err)
	}
	if t.lasting {
		d.settling.wanted.Store(true)
	}
	d.checkpoint()
	return nil
}

// Tx is a running transaction.
type Tx struct {
	tx      *sql.Tx
	ctx     context.Context
	lasting bool // a power cut after Settle must not take it
}

func (t *Tx) exec(query string, args ...any) (int64, error) {
	res, err := t.tx.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, sqlError(err)
	}
	return res.RowsAffected()
}

// migrations are numbered from 1 by their place; one that was released is
// never changed, a new one is put at the end.
func migrations() []string {
	return []string{schema1, schema2, schema3, schema4}
}

const schema1 = `
CREATE TABLE name (name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE container (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, pod TEXT NOT NULL DEFAULT '',
	created INTEGER NOT NULL, spec TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE depends (container TEXT NOT NULL REFERENCES container(id) ON DELETE CASCADE,
	needs TEXT NOT NULL REFERENCES container(id), PRIMARY KEY (container, needs)) WITHOUT ROWID;
CREATE TABLE volume (name TEXT PRIMARY KEY, created INTEGER NOT NULL, spec TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE uses_volume (container TEXT NOT NULL REFERENCES container(id) ON DELETE CASCADE,
	volume TEXT NOT NULL REFERENCES volume(name), PRIMARY KEY (container, volume)) WITHOUT ROWID;
CREATE TABLE secret (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL,
	spec TEXT NOT NULL) WITHOUT ROWID;
`

const schema2 = `
CREATE TABLE pod (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, spec TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX container_pod ON container(pod) WHERE pod != '';
`

const schema3 = `
CREATE TABLE kube (kind TEXT NOT NULL, name TEXT NOT NULL, spec TEXT NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID;
`

// Who needs a container, and who uses a volume, is asked at each removal.
const schema4 = `
CREATE INDEX depends_needs ON depends(needs);
CREATE INDEX uses_volume_volume ON uses_volume(volume);
`

func (d *DB) migrate(all []string) error {
	var have int
	if err := d.sql.QueryRow("PRAGMA user_version").Scan(&have); err != nil {
		return sqlError(err)
	}
	if have == len(all) {
		return nil
	}
	if have > len(all) {
		return fmt.Errorf("it was written by a newer carob (schema %d, this one knows %d)", have, len(all))
	}
	return d.Update(context.Background(), func(t *Tx) error {
		// Another first command may have been quicker.
		if err := t.tx.QueryRow("PRAGMA user_version").Scan(&have); err != nil {
			return err
		}
		for n := have; n < len(all); n++ {
			if _, err := t.exec(all[n]); err != nil {
				return err
			}
		}
		_, err := t.exec(fmt.Sprintf("PRAGMA user_version = %d", len(all)))
		return err
	})
}

// sqlError makes SQLite's words useful to the user.
func sqlError(err error) error {
	var se sqlite3.Error
	if !errors.As(err, &se) {
		return err
	}
	switch {
	case se.ExtendedCode == sqlite3.ErrConstraintUnique || se.ExtendedCode == sqlite3.ErrConstraintPrimaryKey:
		return ErrExists
	case se.ExtendedCode == sqlite3.ErrConstraintForeignKey:
		return ErrNeeded
	case se.Code == sqlite3.ErrFull:
		return errors.New("no space left on the disk of carob's state")
	case se.Code == sqlite3.ErrCorrupt || se.Code == sqlite3.ErrNotADB:
		return fmt.Errorf("the database is damaged: %w", err)
	}
	return err
}

// Exists tells whether a database was ever made, without making one.
func Exists(d Dirs) bool {
	_, err := os.Stat(filepath.Clean(d.Database()))
	return err == nil
}
