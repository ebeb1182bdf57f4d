package profiles

// RuleIDs are the IDs of the rules of package runtime/harden, in its order: what a site's profile may name in "widened".
func RuleIDs() []string {
	return []string{
		"user-namespace", "namespaces", "rootfs", "mounts", "no-new-privileges", "capabilities", "user", "seccomp", "lsm",
		"masked-paths", "devices", "limits", "scheduling", "sysctl", "hooks", "annotations", "secrets",
	}
}

// sectionsOf are the keys of a profile that can make a rule wider. A rule without any can never be widened.
func sectionsOf(rule string) []string {
	switch rule {
	case "user-namespace":
		return []string{"userNamespace"}
	case "namespaces", "rootfs", "mounts", "capabilities", "user", "seccomp", "devices", "limits", "hooks":
		return []string{rule}
	case "no-new-privileges":
		return []string{"noNewPrivileges"}
	case "masked-paths":
		return []string{"maskedPaths", "readonlyPaths"}
	case "sysctl":
		return []string{"sysctls"}
	case "secrets":
		return []string{"secretsRefused"}
	}
	return nil
}
