package eci

import (
	"errors"
	"fmt"
	"testing"
)

func TestCauseOf(t *testing.T) {
	refused := func(status int, code, message string) error {
		return fmt.Errorf("creating: %w", &Error{Action: "CreateContainerGroup", Code: code, Message: message, HTTPStatus: status})
	}
	tests := []struct {
		name string
		err  error
		want Cause
	}{
		{"no error", nil, ""},
		{"no such size", refused(400, "InvalidParameter.CPU.Memory", "The specified cpu and memory are not allowed"), CauseRequest},
		{"two containers of one name", refused(400, "InvalidParameter.DuplicatedName", ""), CauseRequest},
		{"a value that is too long", refused(400, "InvalidParameter.LengthExceeded", "The length of Container.1.EnvironmentVar.1.Value"), CauseRequest},
		{"an invalid parameter of the pod", refused(400, "InvalidParameter", "The specified parameter Container.1.Image is not valid."), CauseRequest},
		{"a missing parameter of the pod", refused(400, "MissingParameter", "The input parameter Container.1.Image is mandatory."), CauseRequest},
		{"a spot group of 1 vCPU", refused(400, "InvalidSpotCpuMemorySpec", ""), CauseRequest},
		{"a disk that isn't", refused(404, "InvalidDiskId.NotFound", ""), CauseRequest},
		{"economy and ARM", refused(400, "FeatureBasedConstraintConflict", ""), CauseRequest},
		{"a vSwitch that isn't", refused(404, "InvalidVSwitchId.NotFound", "The specified vSwitch does not exist."), CauseNode},
		{"the same, as a general code", refused(404, "InvalidParameter.NotFound", "The specified parameter VSwitchId is not found."), CauseNode},
		{"the same, in other words", refused(400, "InvalidParameter", "vsw-bp1xyz does not exist"), CauseNode},
		{"no vSwitch", refused(400, "MissingParameter", "The input parameter VSwitchId is mandatory."), CauseNode},
		{"a security group that isn't", refused(404, "InvalidSecurityGroupId.NotFound", ""), CauseNode},
		{"a security group of another VPC", refused(403, "OperationDenied.SecurityGroupMisMatch", ""), CauseNode},
		{"a vSwitch of another zone", refused(403, "OperationDenied.VswZoneMisMatch", ""), CauseNode},
		{"a role that isn't", refused(400, "InvalidParameter", "The RamRoleName is invalid."), CauseNode},
		{"no stock", refused(403, "OperationDenied.NoStock", ""), CauseCapacity},
		{"a full vSwitch, though it names it", refused(403, "InvalidVSwitchId.IpNotEnough", ""), CauseCapacity},
		{"quota", refused(403, "QuotaExceeded", "vcpu quota exceeded."), CauseCapacity},
		{"a quota spelled like a rate limit", refused(403, "Throttling.Vcpu.PerDay", ""), CauseCapacity},
		{"arrears", refused(400, "Account.Arrearage", ""), CauseAccount},
		{"no real name", refused(403, "Forbidden.UserNotRealNameAuthentication", ""), CauseAccount},
		{"RAM", refused(403, "Forbidden.RAM", ""), CausePermission},
		{"a wrong key", refused(404, "InvalidAccessKeyId.NotFound", ""), CausePermission},
		{"no credentials", &Error{Code: codeNoCredentials}, CausePermission},
		{"another request with the token", refused(403, "IdempotentParameterMismatch", ""), CauseToken},
		{"throttled", refused(400, "Throttling.User", ""), CauseTransient},
		{"the API fails", refused(500, "InternalError", ""), CauseTransient},
		{"the API fails and blames a parameter", refused(503, "InvalidParameter", ""), CauseTransient},
		{"no answer", &Error{Err: errors.New("connection reset")}, CauseTransient},
		{"a page of a proxy", &Error{Code: codeBadAnswer, HTTPStatus: 200}, CauseTransient},
		{"a code nobody knows", refused(400, "SomethingNew", ""), CauseUnknown},
		{"an error that isn't the API's", errors.New("x"), CauseUnknown},
	}
	for _, test := range tests {
		if got := CauseOf(test.err); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// codesOfCreate are the codes that the vendor documents for CreateContainerGroup.
func codesOfCreate() map[int][]string {
	return map[int][]string{
		400: {"Account.Arrearage", "InvalidParameter.CPU.Memory", "InvalidParameter.DuplicatedName", "InvalidParameter.DuplicatedVolumeName", "ServiceNotEnabled",
			"ImageSnapshot.IncorrectStatus", "ImageSnapshot.NotSupport", "DiskVolume.NotSupport", "DiskVolume.NotInSameZone", "DiskNumber.LimitExceed", "RamRole.NotSupport",
			"NoPermission", "InvalidPaymentMethod.InsufficientBalance", "Payfor.CreditPayInsufficientBalance", "HighCpuMemConfigRequired",
			"RecommendEmpty.InstanceTypeFamilyNotMatched", "LocalDiskAmountNotMatch", "InvalidOperation.KMS.InstanceTypeNotSupport", "InvalidParameter.Encrypted.KmsNotEnabled",
			"InvalidParameter.KMS.EncryptedIllegal", "InvalidSpotCpuMemorySpec", "InvalidInstanceTypeForEciBuy", "InvalidInstanceTypeForEciSpotDurationBuy",
			"InstanceTypeNotMatchCpuArch", "Ipv6AddressNotSupport", "Ipv6AddressNotSupportVsw", "Ipv6AddressNotSupportInstanceType", "EipPayInsufficientBalance",
			"EipPurchaseFlowControl", "Throttling", "JobInstanceBatchCreateNotSupport", "JobInstanceDiskNotSupport", "JobInstanceEipNotSupport", "JobInstanceImageCacheNotSupport",
			"JobInstanceIPv6NotSupport", "JobInstanceRamRoleNotSupport", "JobInstanceRegionNotSupport", "JobInstanceSpotNotSupport", "JobInstanceEcsInstanceTypeNotSupport",
			"JobInstanceFeatureNotMatch", "PrivatePoolInstanceSpotNotSupport", "PrivateIpAddress.Already.InUse", "FeatureBasedConstraintConflict", "OperationFailed.RiskControl"},
		403: {"OperationDenied.NoStock", "OperationDenied.VswZoneMisMatch", "OperationDenied.SecurityGroupMisMatch", "QuotaExceeded", "Throttling.Vcpu.PerDay", "Zone.NotOnSale",
			"InvalidVSwitchId.IpNotEnough", "Spot.NotMatched", "Forbidden.RiskControl", "Forbidden.SubUser", "Forbidden.OnlyForInvitedTest", "Forbidden.UserBussinessStatus",
			"Forbidden.UserNotRealNameAuthentication", "Forbidden.AccountClosed", "InvalidUser.PassRoleForbidden", "NoPermission", "InvalidParameter.KMS.KeyId.Forbidden",
			"InvalidOperation.ResourceManagedByCloudProduct", "SecurityRisk.3DVerification", "CreateServiceLinkedRole.Denied", "FeatureAccessRestricted"},
		404: {"ImageSnapshot.NotFound", "InvalidDiskId.NotFound", "InvalidParameter.KMS.KeyId.NotFound"},
	}
}

func TestEveryDocumentedCodeHasACause(t *testing.T) {
	count := map[Cause]int{}
	for status, codes := range codesOfCreate() {
		for _, code := range codes {
			cause := CauseOf(&Error{Action: "CreateContainerGroup", Code: code, HTTPStatus: status})
			if cause == CauseUnknown {
				t.Errorf("%s has no cause", code)
			}
			count[cause]++
		}
	}
	for _, cause := range []Cause{CauseRequest, CauseNode, CauseAccount, CausePermission, CauseCapacity, CauseTransient} {
		if count[cause] < 2 {
			t.Errorf("only %d documented codes are of cause %s", count[cause], cause)
		}
	}
}
