package main

import "testing"

func TestRecordingProgram(t *testing.T) {
	for in, want := range map[string]struct {
		name    string
		records bool
	}{
		"bulkhead": {"bulkhead", false}, "bulkhead-restricted": {"bulkhead-restricted", false}, "bulkhead-records": {"bulkhead-records", false},
		"bulkhead-record": {"bulkhead", true}, "bulkhead-record-restricted": {"bulkhead-restricted", true}, "runc": {"runc", false},
	} {
		if name, records := recordingProgram(in); name != want.name || records != want.records {
			t.Errorf("%s: got %q, %t", in, name, records)
		}
	}
}
