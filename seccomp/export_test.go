package seccomp

// What the tests of the other packages below seccomp judge by.
var (
	Meaning    = meaning
	RandomOCI  = randomOCI
	RandomArgs = randomArgs
	TestNames  = testNames
)
