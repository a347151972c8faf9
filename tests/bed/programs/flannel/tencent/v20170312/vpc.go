// Package v20170312 stands in for Tencent's SDK, as far as flannel's backend for that cloud names it: module proxies do not all
// have the SDK, and the bed is no Tencent cloud.
package v20170312

import "errors"

var errAbsent = errors.New("built without Tencent's SDK")

type Client struct{}

type Filter struct {
	Name   *string
	Values []*string
}

type Route struct {
	DestinationCidrBlock, GatewayId, GatewayType, RouteType *string
	Enabled                                                 *bool
	RouteId                                                 *uint64
}

type RouteTable struct {
	RouteTableId *string
	RouteSet     []*Route
}

type RouteTables struct{ RouteTableSet []*RouteTable }

type (
	DescribeRouteTablesRequest  struct{ Filters []*Filter }
	DescribeRouteTablesResponse struct{ Response *RouteTables }
)

type RoutesRequest struct {
	RouteTableId *string
	Routes       []*Route
}

func NewClientWithSecretId(_, _, _ string) (*Client, error) { return nil, errAbsent }
func NewDescribeRouteTablesRequest() *DescribeRouteTablesRequest {
	return &DescribeRouteTablesRequest{}
}
func NewCreateRoutesRequest() *RoutesRequest { return &RoutesRequest{} }
func NewDeleteRoutesRequest() *RoutesRequest { return &RoutesRequest{} }

func (*Client) DescribeRouteTables(*DescribeRouteTablesRequest) (*DescribeRouteTablesResponse, error) {
	return nil, errAbsent
}
func (*Client) CreateRoutes(*RoutesRequest) (*struct{}, error) { return nil, errAbsent }
func (*Client) DeleteRoutes(*RoutesRequest) (*struct{}, error) { return nil, errAbsent }
