package integration

import "os"

// wholeCorpus is whether all images of the corpus are wanted, not only the few that every test run has.
func wholeCorpus() bool { return os.Getenv("BULKHEAD_CORPUS") == "full" }
