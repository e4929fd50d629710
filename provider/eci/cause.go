package eci

import (
	"errors"
	"strings"
)

// A Cause is whose fault it is that a group can't be created, which decides what becomes of
// the pod: only what its own request is to blame for may end it.
type Cause string

// The causes.
const (
	// CauseRequest: the request itself. The same one is never accepted.
	CauseRequest Cause = "request"
	// CauseNode: what the virtual node adds to every request (vSwitch, security group, RAM
	// role, resource group, region), unless the pod's own annotations name it. It is accepted
	// once the configuration, or what it names, was put right.
	CauseNode Cause = "node"
	// CauseAccount: the account can't buy: arrears, no real name, closed, under suspicion.
	CauseAccount Cause = "account"
	// CausePermission: the RAM identity lacks a right, or its key or signature is refused.
	CausePermission Cause = "permission"
	// CauseCapacity: stock, quota or addresses; another zone, size or hour has them.
	CauseCapacity Cause = "capacity"
	// CauseToken: the ClientToken was used before with other parameters.
	CauseToken Cause = "token"
	// CauseTransient: throttling, the API's own failures, no answer.
	CauseTransient Cause = "transient"
	// CauseUnknown: a code that isn't known. It may be any of the others, so nothing final
	// follows from it.
	CauseUnknown Cause = "unknown"
)

// CauseOf says why CreateGroup or UpdateGroup failed; "" for no error. The codes are those of
// the API's documentation.
// https://help.aliyun.com/zh/eci/developer-reference/api-eci-2018-08-08-errorcodes
func CauseOf(err error) Cause {
	var e *Error
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &e):
		return CauseUnknown
	case IsNoStock(err), IsNoAddress(err), IsQuotaExceeded(err):
		return CauseCapacity
	case e.Code == codeNoCredentials, IsForbidden(err):
		return CausePermission
	case IsRetryable(err):
		return CauseTransient
	}
	if cause := causeOfCode(e.Code); cause != "" {
		return cause
	}
	for _, prefix := range []string{"InvalidParameter", "InvalidParam.", "MissingParameter", "MissingParam."} {
		if !strings.HasPrefix(e.Code, prefix) {
			continue
		}
		// These codes are about any parameter; which one only the message or the rest of the
		// code says.
		if namesNodeParameter(e.Code + " " + e.Message) {
			return CauseNode
		}
		return CauseRequest
	}
	return CauseUnknown
}

// causeOfCode is the cause of the codes that always mean the same; "" for the others.
func causeOfCode(code string) Cause {
	switch code {
	case "InvalidParameter.CPU.Memory", "InvalidParam.CpuOrMemorySpec", "InvalidParameter.DuplicatedName", "InvalidParameter.DuplicatedVolumeName",
		"InvalidParameter.LengthExceeded", "InvalidParameter.ValueExceeded", "InvalidParameter.Encrypted.KmsNotEnabled", "InvalidParameter.KMS.EncryptedIllegal",
		"InvalidParameter.KMS.KeyId.NotFound", "InvalidParameter.KMS.KeyId.Forbidden", "InvalidOperation.KMS.InstanceTypeNotSupport",
		"ImageSnapshot.IncorrectStatus", "ImageSnapshot.NotSupport", "ImageSnapshot.NotFound", "InvalidDiskId.NotFound", "DiskVolume.NotSupport",
		"DiskVolume.NotInSameZone", "CloudDisk.NotInSameZone", "BatchCreateNotSupportExistingCloudDisk", "DiskNumber.LimitExceed", "MultiAttachedCloudDiskNotSupport",
		"HighCpuMemConfigRequired", "RecommendEmpty.InstanceTypeFamilyNotMatched", "LocalDiskAmountNotMatch", "InvalidInstanceTypeForRaid",
		"InvalidSpotCpuMemorySpec", "InvalidInstanceTypeForEciBuy", "InvalidInstanceTypeForEciSpotDurationBuy", "InstanceTypeNotMatchCpuArch",
		"Ipv6AddressNotSupport", "Ipv6AddressNotSupportInstanceType", "PrivatePoolInstanceSpotNotSupport", "PrivateIpAddress.Already.InUse",
		"FeatureBasedConstraintConflict", "JobInstanceFeatureNotMatch", "JobInstanceBatchCreateNotSupport", "JobInstanceDiskNotSupport",
		"JobInstanceEipNotSupport", "JobInstanceImageCacheNotSupport", "JobInstanceIPv6NotSupport", "JobInstanceRamRoleNotSupport",
		"JobInstanceRegionNotSupport", "JobInstanceSpotNotSupport", "JobInstanceEcsInstanceTypeNotSupport", "InvalidOperation.ResourceManagedByCloudProduct",
		"NumberExceed.Tags", "NoNeedUpdate":
		return CauseRequest
	case "OperationDenied.VswZoneMisMatch", "OperationDenied.SecurityGroupMisMatch", "Ipv6AddressNotSupportVsw", "RamRole.NotSupport", "RegionDissolved":
		return CauseNode
	case "Account.Arrearage", "InvalidPaymentMethod.InsufficientBalance", "Payfor.CreditPayInsufficientBalance", "EipPayInsufficientBalance", "ServiceNotEnabled",
		"Forbidden.RiskControl", "OperationFailed.RiskControl", "RISK.RISK_CONTROL_REJECTION", "SecurityRisk.3DVerification", "Forbidden.OnlyForInvitedTest",
		"Forbidden.UserBussinessStatus", "Forbidden.UserNotRealNameAuthentication", "Forbidden.AccountClosed", "FeatureAccessRestricted":
		return CauseAccount
	case "SignatureDoesNotMatch", "IncompleteSignature", "InvalidAccessKeyId.NotFound", "InvalidAccessKeyId.Inactive", "InvalidSecurityToken.Expired",
		"InvalidSecurityToken.Malformed", "InvalidTimeStamp.Expired", "InvalidTimeStamp.Format":
		return CausePermission
	case "EipPurchaseFlowControl", "Degrade.Api", "SignatureNonceUsed", "OperationConflict":
		return CauseTransient
	case "IdempotentParameterMismatch":
		return CauseToken
	}
	switch object, rest, _ := strings.Cut(code, "."); {
	case object == "InvalidVSwitchId", object == "InvalidVpcId", object == "InvalidZoneId", object == "InvalidRegionId", object == "InvalidRamRole",
		strings.HasPrefix(object, "InvalidSecurityGroup"), strings.HasPrefix(object, "InvalidResourceGroup"):
		return CauseNode
	case object == "OperationDenied" && rest == "", object == "IncorrectStatus", object == "IncorrectOperation":
		return CauseUnknown
	}
	return ""
}

// namesNodeParameter reports that a text is about one of the parameters that the node fills
// in for every group. The API writes them in several ways: VSwitchId, vSwitch, vsw-bp1…. A
// text that has one of these by chance costs a retry; overlooking one would end a pod for what
// it can't help.
func namesNodeParameter(text string) bool {
	text = strings.ToLower(text)
	for _, name := range []string{"vswitch", "vsw-", "securitygroup", "security group", "sg-", "ramrole", "ram role", "resourcegroup", "resource group", "regionid", "zoneid", "vpcid", "vpc-"} {
		if strings.Contains(text, name) {
			return true
		}
	}
	return false
}
