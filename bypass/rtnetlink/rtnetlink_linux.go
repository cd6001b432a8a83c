// SPDX-License-Identifier: Apache-2.0

package rtnetlink

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"whohas/bypass"
	"whohas/dataplane"
	"whohas/source/host"
)

// answerTime bounds the kernel's answer to a request, readTime a whole reading.
const (
	answerTime = 5 * time.Second
	readTime   = 5 * time.Second
)

// Conn asks the kernel of the network namespace of the thread that opened it. Its
// methods may be called at once: the library's sockets are locked for each request.
type Conn struct {
	socket *nl.NetlinkSocket
	handle map[int]*nl.SocketHandle
	links  *netlink.Handle
}

// Open opens netlink. Whoever opens it from another network namespace than the
// process's has locked the goroutine to its thread, also for reading.
func Open() (*Conn, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	k := &Conn{socket: socket, handle: map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: socket}}}
	limit := unix.NsecToTimeval(answerTime.Nanoseconds())
	if k.links, err = netlink.NewHandle(unix.NETLINK_ROUTE); err == nil {
		err = errors.Join(socket.SetReceiveTimeout(&limit), socket.SetSendTimeout(&limit), k.links.SetSocketTimeout(answerTime))
	}
	if err != nil {
		k.Close()
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return k, nil
}

// Close closes what Open opened.
func (k *Conn) Close() {
	k.socket.Close()
	if k.links != nil {
		k.links.Close()
	}
}

// Read reads what a bypass goes by: devices, addresses, routes and rules. What was not
// read whole is an error.
func (k *Conn) Read(ctx context.Context) (*dataplane.Host, error) {
	wanted := []string{host.Links, host.Addresses, host.Routes, host.Rules}
	o := host.Options{Timeout: readTime}
	o.Skip = slices.DeleteFunc(append(host.Sections(), host.Userspace()...), func(s string) bool { return slices.Contains(wanted, s) })
	h, _ := host.Read(ctx, o)
	for _, s := range wanted {
		if slices.Contains(h.Unread, s) {
			return nil, fmt.Errorf("read %s: not read whole", s)
		}
	}
	return &h, ctx.Err()
}

// Put makes the host pass over its local table for addresses, and verifies that the
// kernel does: a shield's also where no route leads to one yet. What does not work is taken
// back before it returns. The changes are those
// that were made; none: it was so already.
func (k *Conn) Put(ctx context.Context, purpose bypass.Purpose, ips ...netip.Addr) ([]bypass.Change, error) {
	h, err := k.Read(ctx)
	if err != nil {
		return nil, err
	}
	changes, err := bypass.Put(h, purpose, ips...)
	if err != nil {
		return nil, err
	}
	err = k.do(changes)
	for _, ip := range ips {
		if err == nil {
			err = k.leaves(ip)
		}
		if unreachable := errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH); unreachable && purpose == bypass.Shield {
			err = nil // the network may come up later
		}
	}
	if err != nil {
		_, undone := k.Take(context.WithoutCancel(ctx), purpose, ips...)
		return nil, errors.Join(err, undone)
	}
	return changes, nil
}

// Take takes bypasses back: of some addresses, or all of a purpose. It also ends what an
// interrupted Put has left.
func (k *Conn) Take(ctx context.Context, purpose bypass.Purpose, ips ...netip.Addr) ([]bypass.Change, error) {
	h, err := k.Read(ctx)
	if err != nil {
		return nil, err
	}
	changes := bypass.Take(h, purpose, ips...)
	return changes, k.do(changes)
}

// Drop takes the rules of one address, of any purpose, at once: for a host that has just
// become its owner and does not reach itself now. It opens no socket, and leaves what is
// in nobody's way to Take.
func (k *Conn) Drop(ip netip.Addr) error {
	family := unix.AF_INET
	if ip.Is6() {
		family = unix.AF_INET6
	}
	list, err := k.links.RuleList(family)
	if err != nil {
		return fmt.Errorf("list rules: %w", err)
	}
	h := &dataplane.Host{}
	for _, r := range list {
		h.Rules = append(h.Rules, short(r, ip))
	}
	var errs []error
	for _, b := range bypass.Of(h) {
		if b.IP == ip {
			errs = append(errs, k.do([]bypass.Change{{Take: true, Rule: b.Rule}}))
		}
	}
	return errors.Join(errs...)
}

// short is as much of a rule as shows whether it is a bypass of an address.
func short(r netlink.Rule, ip netip.Addr) dataplane.Rule {
	p := dataplane.Rule{Family: 4, Priority: max(r.Priority, 0), Goto: max(r.Goto, 0), Table: r.Table}
	if ip.Is6() {
		p.Family = 6
	}
	if r.Goto > 0 && r.Protocol != 0 && r.Protocol != unix.RTPROT_KERNEL || r.Invert || r.Src != nil || r.IifName != "" || r.OifName != "" || r.Mark != 0 || r.Tos != 0 || r.UIDRange != nil {
		p.Other = "more"
	}
	if r.Dst != nil {
		to, _ := netip.AddrFromSlice(r.Dst.IP)
		ones, _ := r.Dst.Mask.Size()
		p.To = netip.PrefixFrom(to.Unmap(), ones)
	}
	if p.Goto != 0 {
		p.Table = 0
	}
	return p
}

// do makes the changes in their order, and ends at the first that fails.
func (k *Conn) do(changes []bypass.Change) error {
	for _, c := range changes {
		var err error
		switch {
		case c.Route.Table != 0:
			err = k.route(c)
		case c.Take && c.Rule.Table == dataplane.TableLocal:
			if err = k.twice(c.Rule); err == nil {
				err = k.rule(c)
			}
		default:
			err = k.rule(c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// twice reports an error unless there are two rules of the local table, of which one may
// be taken. Some kernels have said that they put the second one and had not (linux commit
// e9919a24d302, in 4.9.y, 4.14.y and 4.19.y of May 2019; reverted by 4970b42d5c36).
func (k *Conn) twice(r dataplane.Rule) error {
	family := unix.AF_INET
	if r.Family == 6 {
		family = unix.AF_INET6
	}
	list, err := k.links.RuleList(family)
	if err != nil {
		return fmt.Errorf("list rules: %w", err)
	}
	n := 0
	for _, other := range list {
		if p := short(other, netip.Addr{}); p.Table == dataplane.TableLocal && !p.To.IsValid() && p.Other != "more" && p.Priority == r.Priority {
			n++
		}
	}
	if n < 2 {
		return errors.New("put a second rule of the local table: the kernel has not put it")
	}
	return nil
}

// rule puts or takes a rule. It is put without NLM_F_EXCL, with which the kernel
// refuses one that is there (linux net/core/fib_rules.c fib_nl_newrule): a kernel whose
// rules have no protocol would refuse the local table's second one.
func (k *Conn) rule(c bypass.Change) error {
	kind, flags := unix.RTM_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_ACK
	if c.Take {
		kind, flags = unix.RTM_DELRULE, unix.NLM_F_ACK
	}
	request := nl.NewNetlinkRequest(kind, flags)
	request.Sockets = k.handle
	for _, part := range ruleMessage(c) {
		request.AddData(part)
	}
	_, err := request.Execute(unix.NETLINK_ROUTE, 0)
	return failed(c, err)
}

// ruleMessage is a struct fib_rule_hdr, which has the form of a route's, and its
// attributes (linux include/uapi/linux/fib_rules.h).
func ruleMessage(c bypass.Change) []nl.NetlinkRequestData {
	r := c.Rule
	head := nl.NewRtMsg()
	head.Family, head.Protocol, head.Scope, head.Type, head.Table = unix.AF_INET, 0, 0, unix.FR_ACT_TO_TBL, uint8(r.Table)
	if r.Family == 6 {
		head.Family = unix.AF_INET6
	}
	parts := []nl.NetlinkRequestData{head,
		nl.NewRtAttr(unix.FRA_PRIORITY, nl.Uint32Attr(uint32(r.Priority)))}
	// A rule 0 that somebody has put back by hand is of no protocol, which reads as the
	// kernel's: of the local table's the first is taken, whosever.
	if !c.Take || r.Table != dataplane.TableLocal || r.Protocol != "" {
		parts = append(parts, nl.NewRtAttr(unix.FRA_PROTOCOL, []byte{protocols[r.Protocol]}))
	}
	switch {
	case r.Type == "nop":
		head.Type = unix.FR_ACT_NOP
	case r.Goto != 0:
		head.Type = unix.FR_ACT_GOTO
		parts = append(parts, nl.NewRtAttr(unix.FRA_GOTO, nl.Uint32Attr(uint32(r.Goto))))
	}
	if r.To.IsValid() {
		head.Dst_len = uint8(r.To.Bits())
		parts = append(parts, nl.NewRtAttr(unix.FRA_DST, r.To.Addr().AsSlice()))
	}
	return parts
}

// protocols are those that package bypass names.
var protocols = map[string]byte{"": unix.RTPROT_KERNEL, "boot": unix.RTPROT_BOOT, "static": unix.RTPROT_STATIC}

// route puts or takes the route by which IPv6 chooses another source.
func (k *Conn) route(c bypass.Change) error {
	link, err := k.links.LinkByName(c.Route.Link)
	if err != nil {
		return failed(c, err)
	}
	kind, flags := unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE|unix.NLM_F_ACK
	if c.Take {
		kind, flags = unix.RTM_DELROUTE, unix.NLM_F_ACK
	}
	request := nl.NewNetlinkRequest(kind, flags)
	request.Sockets = k.handle
	for _, part := range routeMessage(c.Route, link.Attrs().Index) {
		request.AddData(part)
	}
	_, err = request.Execute(unix.NETLINK_ROUTE, 0)
	return failed(c, err)
}

// routeMessage is a struct rtmsg of IPv6 and its attributes (rtnetlink(7)).
func routeMessage(r dataplane.Route, index int) []nl.NetlinkRequestData {
	head := nl.NewRtMsg()
	head.Family, head.Table, head.Protocol, head.Dst_len = unix.AF_INET6, uint8(r.Table), unix.RTPROT_KERNEL, uint8(r.To.Bits())
	parts := []nl.NetlinkRequestData{head,
		nl.NewRtAttr(unix.RTA_DST, r.To.Addr().AsSlice()),
		nl.NewRtAttr(unix.RTA_PREFSRC, r.Source.AsSlice()),
		nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(index))),
		nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(uint32(r.Metric)))}
	if r.Via.IsValid() {
		parts = append(parts, nl.NewRtAttr(unix.RTA_GATEWAY, r.Via.AsSlice()))
	}
	return parts
}

// failed says which change failed. One that takes what has gone meanwhile did not.
func failed(c bypass.Change, err error) error {
	switch {
	case err == nil, c.Take && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH)):
		return nil
	case errors.Is(err, unix.EPERM):
		err = fmt.Errorf("%w (it takes CAP_NET_ADMIN)", os.ErrPermission)
	}
	return fmt.Errorf("%s: %w", bypass.Lines([]bypass.Change{c}), err)
}

// leaves asks the kernel whether what the host sends to an address leaves it.
func (k *Conn) leaves(ip netip.Addr) error {
	w, err := k.Way(ip)
	switch {
	case err != nil:
		return err
	case w.Local:
		return fmt.Errorf("route to %s: the host still delivers it to itself", ip)
	}
	return nil
}

// Device is the name of a device.
func (k *Conn) Device(index int) (string, error) {
	link, err := k.links.LinkByIndex(index)
	if err != nil {
		return "", fmt.Errorf("device %d: %w", index, err)
	}
	return link.Attrs().Name, nil
}

// Way is how a packet to an address would go.
type Way struct {
	Local  bool // it is delivered to the host itself
	Link   string
	Source netip.Addr
}

// Way asks the kernel (rtnetlink(7), RTM_GETROUTE).
func (k *Conn) Way(ip netip.Addr) (Way, error) {
	routes, err := k.links.RouteGet(ip.AsSlice())
	if err != nil || len(routes) == 0 {
		return Way{}, fmt.Errorf("route to %s: %w", ip, err)
	}
	r := routes[0]
	w := Way{Local: r.Type == unix.RTN_LOCAL}
	w.Source, _ = netip.AddrFromSlice(r.Src)
	w.Source = w.Source.Unmap()
	link, err := k.links.LinkByIndex(r.LinkIndex)
	if err != nil {
		return w, fmt.Errorf("route to %s: %w", ip, err)
	}
	w.Link = link.Attrs().Name
	return w, nil
}

// Accepts asks the kernel whether it takes what comes from an address by the device by
// which it is reached, or drops it as a martian: with a device, RTM_GETROUTE looks up
// as for a packet that comes in (linux net/ipv4/route.c inet_rtm_getroute,
// ip_route_input_rcu, fib_validate_source). IPv6 checks no source.
func (k *Conn) Accepts(ip netip.Addr) (bool, error) {
	if ip.Is6() {
		return true, nil
	}
	w, err := k.Way(ip)
	if err != nil || w.Local {
		return false, err
	}
	_, err = k.links.RouteGetWithOptions(w.Source.AsSlice(), &netlink.RouteGetOptions{Iif: w.Link, SrcAddr: ip.AsSlice()})
	switch {
	case errors.Is(err, unix.EXDEV), errors.Is(err, unix.EINVAL):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("route from %s: %w", ip, err)
	}
	return true, nil
}
