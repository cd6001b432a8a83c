// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"whohas/snapshot"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// fault is an error as the coverage tells it.
type fault struct {
	status snapshot.Status
	detail string
	failed bool // the job could not be done; a denied kind is one that is not known
}

func faultOf(err error) fault {
	var request *url.Error
	switch {
	case apierrors.IsForbidden(err):
		return fault{snapshot.StatusDenied, short("forbidden: " + behind(message(err), "forbidden: ")), false}
	case apierrors.IsUnauthorized(err):
		return fault{snapshot.StatusUnreadable, "not authenticated", true}
	case errors.As(err, &request): // before the next: a dial that takes too long is a deadline as well
		return fault{snapshot.StatusUnreadable, short(request.Err.Error()), true}
	case errors.Is(err, context.DeadlineExceeded):
		return fault{snapshot.StatusUnreadable, "time is up", true}
	case errors.Is(err, context.Canceled):
		return fault{snapshot.StatusUnreadable, "interrupted", true}
	}
	return fault{snapshot.StatusUnreadable, short(message(err)), true}
}

// message is what the server said.
func message(err error) string {
	var status *apierrors.StatusError
	switch {
	case errors.As(err, &status) && status.ErrStatus.Code >= 500:
		return fmt.Sprintf("server error %d: %s", status.ErrStatus.Code, status.ErrStatus.Message)
	case errors.As(err, &status):
		return status.ErrStatus.Message
	}
	return err.Error()
}

func behind(text, mark string) string {
	if _, after, ok := strings.Cut(text, mark); ok {
		return after
	}
	return text
}

const maxDetail = 200

// short makes one line of some length of a text.
func short(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if r := []rune(text); len(r) > maxDetail {
		return string(r[:maxDetail]) + "..."
	}
	return text
}
