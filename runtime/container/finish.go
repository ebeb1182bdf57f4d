package container

import (
	"fmt"
	"time"
)

// finish saves what exec, update, explain and delete need. After it the container counts as created.
func (c *creation) finish() error {
	pid, err := c.process.Pid()
	if err != nil {
		return fmt.Errorf("create %q: %w", c.o.ID, err)
	}
	c.rec.Creating = false
	c.rec.InitPID, c.rec.InitStart = pid, startTime(pid)
	c.rec.Created = time.Now().UTC()
	decision, err := c.decision()
	if err != nil {
		return fmt.Errorf("write record of %q: %w", c.o.ID, err)
	}
	if err := c.recordView(); err != nil {
		return err
	}
	if err := writeRecordLines(c.dir, &c.rec.Holding, decision); err != nil {
		return err
	}
	if err := c.openView(); err != nil {
		return err
	}
	c.unlock()
	return nil
}

// writePidFile comes last: containerd and conmon take the file for the end of create.
func (c *creation) writePidFile() error {
	if c.o.PidFile == "" {
		return nil
	}
	if err := writePidFile(c.o.PidFile, c.rec.InitPID); err != nil {
		return c.abandon(err)
	}
	return nil
}
