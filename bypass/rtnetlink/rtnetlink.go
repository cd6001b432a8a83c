// SPDX-License-Identifier: Apache-2.0

// Package rtnetlink puts what package bypass plans into the kernel of this host, asks it
// whether it does what was meant, and takes it back.
package rtnetlink
