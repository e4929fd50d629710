// Package eci is the client of Alibaba Cloud's Elastic Container Instance API (product
// Eci, version 2018-08-08). It is the only package that imports the Alibaba SDK, and only
// the SDK's core: credentials, signing, endpoints, transport. Requests and answers are
// structs of its own, because the SDK's typed ones are wrong on the wire.
//
// Who calls it: the virtual node (package provider), the collectors, and commands. It
// calls nobody of ours.
package eci
